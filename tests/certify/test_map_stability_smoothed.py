"""The smoothed map: sampled, and never called anything better."""

from fractions import Fraction
from math import comb

import numpy as np
import pytest
from networks import loaded

from certify.map_cases import piecewise, query
from verixplain.attribution.eva import EVA
from verixplain.certify.claim import claim_named
from verixplain.certify.kinds.map_stability_smoothed import bounds
from verixplain.certify.run import certify
from verixplain.errors import SettingError
from verixplain.query import Box

SLOPED = [[1.0, 0.0], [0.0, 1.0]], [9.0, -0.5], [[1.0, 4.0], [0.0, 0.0]]
"""Slopes 1, and 4 where the second input is above 0.5."""


def claimed(words: str, x: float, **options):
    network = loaded(piecewise(*SLOPED))
    asked = query(network, Box.around(np.array([0.5, x], "f4"), 0.0))
    return certify(asked, [words], EVA(device="cpu"), options=options).claims[0].finding


def test_votes_decide_far_from_the_kink_and_abstain_on_it():
    far = claimed("map-stability-smoothed:saliency,sigma=0.125,samples=200", 1.0)
    assert far.details["members"] == [1]
    assert far.details["abstained"] == 0
    near = claimed("map-stability-smoothed:saliency,sigma=0.125,samples=200", 0.5)
    assert near.details["abstained"] == 2
    assert (near.arrays["radius_l2"] == 0).all()


def test_the_radius_is_at_most_the_true_one():
    """The second slope is 4 with probability `Phi(d / sigma)`, so the radius is d."""
    found = claimed("map-stability-smoothed:saliency,sigma=0.25,samples=500", 0.875)
    assert 0.2 < found.arrays["radius_l2"][1] <= 0.375


def test_it_is_empirical_and_says_with_what():
    found = claimed("map-stability-smoothed:saliency,samples=50,confidence=0.9", 1.0)
    assert found.status == "unknown"
    assert found.statement.startswith("empirical")
    assert found.details["guarantee"] == "empirical"
    assert (found.details["samples"], found.details["confidence"]) == (50, 0.9)


def test_the_same_seed_gives_the_same_votes_and_a_budget_fewer():
    words = "map-stability-smoothed:smoothgrad,samples=30"
    one, two = (claimed(words, 0.6).arrays["votes"] for _ in range(2))
    assert (one == two).all()
    assert one.sum() == 30
    network = loaded(piecewise(*SLOPED))
    asked = query(network, Box.around(np.array([0.5, 0.6], "f4"), 0.0))
    cut = certify(asked, [words], EVA(device="cpu"), budget="10nodes").claims[0]
    assert cut.finding.details["samples"] == 10
    assert cut.finding.status == "timeout"


@pytest.mark.parametrize(("votes", "samples"), [(0, 10), (3, 10), (10, 10), (70, 100)])
def test_bounds_are_those_of_the_binomial_tails(votes, samples):
    """Judged by exact tails: at a bound, so many votes or more have half of alpha."""
    (low,), (high,) = bounds(np.array([votes]), samples, 0.01)

    def tail(p: float, numbers) -> float:
        share = Fraction(float(p))
        return float(sum(comb(samples, i) * share**i * (1 - share) ** (samples - i)
                         for i in numbers))  # fmt: skip

    if votes:
        assert tail(low, range(votes, samples + 1)) == pytest.approx(0.005, rel=1e-6)
    else:
        assert low == 0
    if votes < samples:
        assert tail(high, range(votes + 1)) == pytest.approx(0.005, rel=1e-6)
    else:
        assert high == 1


def test_words_that_are_none_are_refused():
    for words, message in [
        ("saliency,sigma=0", "above 0"),
        ("saliency,samples=0", "at least 1"),
        ("saliency,confidence=1", "between 0 and 1"),
        ("eva", "smoothed"),
        ("saliency,foo=1", "foo"),
    ]:
        with pytest.raises(SettingError, match=message):
            claim_named(f"map-stability-smoothed:{words}")
