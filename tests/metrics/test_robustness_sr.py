from itertools import product

import networks
import numpy as np
import pytest

from tests.metrics.cases import sample, two_classes
from verixplain.errors import SettingError, TargetError
from verixplain.metrics.robustness_sr import RobustnessSr


def test_on_a_linear_network_both_radii_are_the_margin_over_the_free_weights():
    """`w . x` falls to 0 at radius `w . x / sum of |w| over the free inputs`."""
    weights, x = np.array([4.0, 2, 1, 1]), np.array([0.1, 0.1, 0.1, 0.1])
    found = RobustnessSr(shares="0.25,0.5", rounds=20).measure(
        sample(two_classes(weights), x, weights)
    )
    np.testing.assert_allclose(found.details["attacked"], [0.2, 0.8 / 6], rtol=1e-3)
    np.testing.assert_allclose(found.details["lower"], [0.2, 0.8 / 6], rtol=1e-3)
    assert found.value == pytest.approx(np.mean(found.details["attacked"]))
    assert found.lower == pytest.approx(np.mean(found.details["lower"]))
    assert found.details["status"] == "estimate"


@pytest.mark.parametrize("seed", range(8))
def test_below_the_radius_from_bounds_no_corner_and_no_sample_falls(seed):
    of = networks.loaded(networks.mlp((4, 6, 3), seed=seed))
    x = np.random.default_rng(seed).uniform(0, 1, 4).astype("f4").astype(float)
    label = int(of(x[None]).argmax())
    from verixplain import Box, Groups, Query, Target
    from verixplain.explanation import Explanation
    from verixplain.metrics._base import Sample

    query = Query(of, Box.around(x, 0.1), Target.label(label), Groups.columns((4,)))
    scores = np.array([4.0, 3, 2, 1])
    found = RobustnessSr(shares="0.5").measure(Sample(Explanation(query, "x", "none", scores)))
    (proved,), (attacked,) = found.details["lower"], found.details["attacked"]
    assert 0 <= proved <= attacked
    corners = np.array([[a, b, 0, 0] for a, b in product((-1, 1), repeat=2)])
    inner = np.random.default_rng(0).uniform(-1, 1, (500, 4)) * [1, 1, 0, 0]
    points = (x + proved * np.concatenate([corners, inner])).astype("f4")
    points = points[(np.abs(points - x).max(axis=1) <= proved)]
    assert (of(points).argmax(1) == label).all()


def test_a_decision_that_nothing_changes_counts_as_the_largest_radius():
    of = two_classes([1.0, 0.0])
    found = RobustnessSr(shares="0.5", largest=3.0).measure(sample(of, [1, 1], [0, 1]))
    assert found.value == 3
    assert found.details["beyond_largest"] == [True]
    assert 2.9 < found.lower <= 3


def test_without_bounds_only_the_attack_speaks():
    found = RobustnessSr(bound="none").measure(sample(two_classes([1.0, 2.0]), [1, 1], [1, 2]))
    assert found.lower is None
    assert "lower" not in found.details


def test_a_decision_that_does_not_stand_at_the_input_is_refused():
    with pytest.raises(TargetError, match="does not hold at the input"):
        RobustnessSr().measure(sample(two_classes([-1.0, -2.0]), [1, 1], [1, 2]))


@pytest.mark.parametrize(
    "bad", [{"shares": "1.5"}, {"shares": "a"}, {"largest": 0.0}, {"rounds": 0}]
)
def test_settings_it_cannot_have_are_refused(bad):
    with pytest.raises(SettingError):
        RobustnessSr(**bad)
