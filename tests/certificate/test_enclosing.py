"""A certified map: its intervals hold the importance, whatever the producer said."""

from dataclasses import replace

from oracle import exact_overlap, exact_overlaps

from tests.certificate.test_issue import query
from verixplain.attribution.eva import EVA
from verixplain.certificate.issue import issue
from verixplain.certify.run import Certified, certify
from verixplain.query import Query


def proved(asked: Query) -> Certified:
    return certify(asked, ["enclosure"], EVA(steps=5, restarts=1))


def contradicted(asked: Query, found: Certified) -> bool:
    """Whether exact overlaps, or exact values at its witnesses, say that an interval is wrong."""
    overlaps = found.explanation.overlaps
    box, target = asked.box, asked.target
    exact = [one.exact for one in exact_overlaps(asked.network, box, target, asked.groups.members)]
    points = [overlaps.witness, *overlaps.group_witness]
    known = [exact_overlap(asked.network, point, target) for point in points]
    upper = [overlaps.upper, *overlaps.group_upper]
    lower = [overlaps.lower, *overlaps.group_lower]
    rows = zip(lower, known, exact, upper, strict=True)
    return any(low > max(value, most) or most > high for low, value, most, high in rows)


def test_a_map_becomes_certified_and_no_point_contradicts_it():
    asked = query()
    before = proved(asked)
    assert before.claims[0].finding.status == "estimate"
    found = issue(before)
    finding, map_ = found.claims[0].finding, found.explanation
    assert (finding.status, finding.semantics) == ("certified", "real")
    assert map_.guarantee == "certified"
    assert (map_.group_scores == map_.overlaps.upper - map_.overlaps.group_upper).all()
    assert not contradicted(asked, found)
    assert (map_.group_upper - map_.group_lower).max() > 0


def test_a_producer_with_bounds_that_are_too_good_gets_those_of_the_checker():
    asked = query()
    before = proved(asked)
    overlaps = before.explanation.overlaps
    lied = replace(
        overlaps,
        upper=overlaps.lower - 5,
        group_upper=overlaps.group_lower - 5,
        lower=overlaps.lower - 9,
        group_lower=overlaps.group_lower - 9,
    )
    assert contradicted(
        asked, replace(before, explanation=replace(before.explanation, overlaps=lied))
    )
    found = issue(replace(before, explanation=replace(before.explanation, overlaps=lied)))
    assert found.explanation.guarantee == "certified"
    assert not contradicted(asked, found)


def test_a_checker_that_does_not_answer_leaves_an_estimate(monkeypatch):
    from verixplain.certificate import issue as issuing
    from verixplain.errors import CheckerError

    def silent(*_):
        raise CheckerError("nobody answers")

    monkeypatch.setattr(issuing, "check_bytes", silent)
    found = issue(proved(query()))
    assert found.explanation.guarantee == "estimate"
    assert found.claims[0].finding.status == "estimate"
