"""A sweep of radii: what is said at each, and what is recommended."""

import numpy as np
import pytest
from networks import loaded, mlp

from verixplain.attribution.eva import EVA
from verixplain.certify.order import decided
from verixplain.certify.sweep import Radius, radii_named, recommendation, sweep
from verixplain.errors import SettingError
from verixplain.features import Groups
from verixplain.query import Box, Query, Target

METHOD = EVA(device="cpu", steps=5)


def at(radius: float, proved: bool = True) -> Query:
    network = loaded(mlp((4, 8, 8, 3), seed=1))
    x = np.full(4, 0.5, "f4")
    label = int(network(x[None])[0].argmax())
    target = Target.label(label if proved else (label + 1) % 3)
    return Query(network, Box.around(x, radius), target, Groups.columns((4,)))


def test_every_radius_says_what_its_own_explanation_says():
    radii = [0.01, 0.1, 1.0]
    found = list(sweep(at, radii, METHOD))
    assert [one.radius for one in found] == radii
    for one in found:
        overlaps = METHOD.explain(at(one.radius)).overlaps
        assert (one.lower, one.upper) == (overlaps.lower, overlaps.upper)
        assert one.decided == decided(at(one.radius), overlaps, "cpu")[0].decided
        assert one.pairs == 6
    assert found[0].prediction == "estimate"
    assert found[0].width < found[2].width


def test_a_decision_that_is_lost_is_refuted():
    (one,) = sweep(lambda radius: at(radius, proved=False), [0.01], METHOD)
    assert one.prediction == "refuted"


def radius(size: float, pairs: int, prediction: str = "unknown") -> Radius:
    return Radius(size, -1.0, 1.0, 0.1, 0.1, 10, pairs, prediction, 0.0)


def test_the_recommendation_is_where_most_pairs_are_ordered():
    found = [radius(0.01, 6, "estimate"), radius(0.02, 8, "estimate"), radius(0.1, 1)]
    words = recommendation(found)
    assert words.startswith("Use about 0.02")
    assert "Above 0.02 fewer than half" in words
    assert words.endswith("stand up to 0.02.")
    assert recommendation([radius(0.1, 0)]).startswith("No radius")
    assert "At no larger radius" in recommendation(found[:2])


def test_radii_are_a_geometric_row():
    assert radii_named("0.001:0.1:3") == [0.001, 0.01, 0.1]
    for words in ("", "1:2", "0:1:3", "2:1:3", "1:2:1", "a:b:c", "1:inf:3", "1:2:3:4"):
        with pytest.raises(SettingError, match="FIRST:LAST:COUNT"):
            radii_named(words)
