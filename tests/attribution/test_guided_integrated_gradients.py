import numpy as np
import pytest

from attribution.settings import digits, linear, query
from verixplain.attribution.guided_integrated_gradients import GuidedIntegratedGradients
from verixplain.attribution.integrated_gradients import IntegratedGradients
from verixplain.errors import SettingError


def test_on_a_linear_network_every_path_gives_the_same():
    of, x = linear([[1, -2, 0.5], [0, 1, 0]]), np.array([3, 5, 1], "f4")
    found = GuidedIntegratedGradients(steps=9).explain(query(of, x, 0)).map
    np.testing.assert_allclose(found, [3, -10, 0.5], rtol=1e-9)


def test_at_distance_zero_the_path_is_straight():
    of, x = digits()
    asked = query(of, x[0])
    guided = GuidedIntegratedGradients(steps=30, distance=0.0).explain(asked).map
    straight = IntegratedGradients(steps=30, rule="left").explain(asked).map
    np.testing.assert_allclose(guided, straight, atol=1e-9)


def test_the_scores_nearly_add_up_to_the_change():
    of, x = digits()
    found = GuidedIntegratedGradients().explain(query(of, x[0]))
    assert abs(found.arrays["completeness_delta"]) < 0.02 * abs(found.map.sum())


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(SettingError, match="fraction"):
        GuidedIntegratedGradients(fraction=2)
