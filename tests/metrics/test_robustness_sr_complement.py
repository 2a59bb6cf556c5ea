import numpy as np

from tests.metrics.cases import sample, two_classes
from verixplain.metrics.robustness_sr_complement import RobustnessSrComplement


def test_the_best_groups_are_held_and_the_rest_moves():
    weights, x = np.array([4.0, 2, 1, 1]), np.array([0.1, 0.1, 0.1, 0.1])
    found = RobustnessSrComplement(shares="0.25,0.5", rounds=20).measure(
        sample(two_classes(weights), x, weights)
    )
    np.testing.assert_allclose(found.details["attacked"], [0.8 / 4, 0.8 / 2], rtol=1e-3)
    np.testing.assert_allclose(found.details["lower"], [0.8 / 4, 0.8 / 2], rtol=1e-3)
