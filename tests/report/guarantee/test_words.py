"""Words of a report: what is guaranteed, rounded so that it never says too much."""

from decimal import Decimal

import pytest

from verixplain.explanation import STATUSES
from verixplain.registry import Registry
from verixplain.report.guarantee.sentences import sentences
from verixplain.report.guarantee.words import HOW_SURE, _overlap, box

BOX = {
    "radius": {"model": 0.0099999999, "scaled": 0.12345678, "raw": 1e-9},
    "free_inputs": 64,
    "lower": {"smallest": 0.0},
    "upper": {"largest": 1.0},
}


def test_a_radius_is_never_shown_larger_than_it_is():
    words = box(BOX)
    for name, unit in (("model", "model's units"), ("scaled", "units of the data"), ("raw", "raw")):
        number = words.partition(f" ({unit}")[0].split()[-1]
        assert Decimal(number) <= Decimal(BOX["radius"][name])
    assert "between 0.0 and 1.0" in words


@pytest.mark.parametrize(
    ("lower", "upper", "says"),
    [
        (-2.0, -1e-12, "so class 2 stays ahead of class 5 everywhere"),
        (-1.0, 0.0, "unknown"),
        (0.0, 1.0, "at some input of the box it is not so"),
    ],
)
def test_an_overlap_says_what_its_sign_proves(lower, upper, says):
    target = {"kind": "pair", "label": 2, "other": 5, "smallest_wins": False}
    assert says in _overlap({"lower": lower, "upper": upper}, target)


def test_every_status_has_its_sentence_and_only_certified_names_the_checker_as_its_source():
    assert tuple(HOW_SURE) == STATUSES
    assert "checker accepted" in HOW_SURE["certified"]
    assert not any("accepted" in words for name, words in HOW_SURE.items() if name != "certified")


@pytest.mark.parametrize("kind", list(Registry("kind", "verixplain.certify.kinds")))
def test_every_kind_of_claim_says_what_it_says_and_what_not(kind):
    found = sentences(kind)
    assert found["says"]
    assert found["does_not_say"]


def test_a_kind_that_nobody_described_says_nothing():
    assert sentences("no-such-kind") == {"says": "", "does_not_say": ""}
