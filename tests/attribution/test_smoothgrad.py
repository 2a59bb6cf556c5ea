import numpy as np
import pytest

from attribution.settings import digits, linear, query
from verixplain.attribution.saliency import Saliency
from verixplain.attribution.smoothgrad import SmoothGrad
from verixplain.errors import SettingError


def test_the_map_is_the_sum_over_the_points_that_are_kept():
    of, x = digits()
    asked = query(of, x[0])
    found = SmoothGrad(samples=8).explain(asked)
    points, label = found.arrays["points"], asked.target.label_index
    assert points.shape == (8, 1, 8, 8)
    np.testing.assert_array_equal(points, points.astype("f4"))  # the model can be run on them
    each = Saliency().on(of).attribute(points, label)
    np.testing.assert_allclose(found.map, each.mean(0), rtol=1e-9, atol=1e-12)


def test_the_noise_has_the_stated_size():
    of, x = digits()
    points = SmoothGrad(samples=2000, noise=0.1).explain(query(of, x[0])).arrays["points"]
    deviation = (points - x[0]).std()
    assert deviation == pytest.approx(0.1 * (x[0].max() - x[0].min()), rel=0.02)


def test_without_noise_it_is_saliency():
    of, x = digits()
    asked = query(of, x[0])
    np.testing.assert_allclose(
        SmoothGrad(noise=0.0).explain(asked).map, Saliency().explain(asked).map, atol=1e-12
    )


def test_another_seed_gives_another_map_and_a_linear_network_does_not_care():
    of, x = digits()
    asked = query(of, x[0])
    assert (SmoothGrad(seed=1).explain(asked).map != SmoothGrad().explain(asked).map).any()
    flat = linear([[1, -2], [0, 1]])
    np.testing.assert_allclose(SmoothGrad().on(flat).attribute(np.ones((1, 2), "f4"), 0), [[1, -2]])


@pytest.mark.parametrize("settings", [{"samples": 0}, {"noise": -1}, {"noise": float("nan")}])
def test_settings_that_cannot_be_are_refused(settings):
    with pytest.raises(SettingError):
        SmoothGrad(**settings)
