import numpy as np

from attribution.settings import digits, query
from verixplain.attribution.fusion_grad import FusionGrad
from verixplain.attribution.noise_grad import NoiseGrad
from verixplain.attribution.smoothgrad import SmoothGrad


def test_without_noise_on_the_weights_it_is_smoothgrad():
    of, x = digits()
    asked = query(of, x[0])
    fused = FusionGrad(draws=2, deviation=0.0, samples=5, noise=0.2, seed=3).explain(asked).map
    smooth = SmoothGrad(samples=5, noise=0.2, seed=3).explain(asked).map
    np.testing.assert_allclose(fused, smooth, rtol=1e-9, atol=1e-12)


def test_without_noise_on_the_input_it_is_noisegrad():
    of, x = digits()
    asked = query(of, x[0])
    fused = FusionGrad(draws=4, deviation=0.2, samples=1, noise=0.0, seed=3).explain(asked).map
    noise = NoiseGrad(draws=4, deviation=0.2, seed=3).explain(asked).map
    np.testing.assert_allclose(fused, noise, rtol=1e-9, atol=1e-12)


def test_the_noisy_inputs_are_kept():
    of, x = digits()
    found = FusionGrad(draws=1, samples=3).explain(query(of, x[0]))
    assert found.arrays["centers"].shape == (3, 1, 8, 8)
