"""Claims about maps: what holds, what is refuted by two inputs, and up to which radius."""

import itertools
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import loaded, mlp

from certify.map_cases import SMALL, exact_map, inside, piecewise, query, search
from verixplain.attribution.eva import EVA
from verixplain.bounds.phases import Phases
from verixplain.certify.claim import claim_named
from verixplain.certify.maps._arithmetic import Region
from verixplain.certify.maps._goals import Change, Sign, TopK, beats
from verixplain.certify.run import certify
from verixplain.errors import SettingError, SoundnessAlarm
from verixplain.query import Box


def region(low, high, symbols=()) -> Region:
    """From ends; the symbols, if any, are of the score's own middle."""
    low, high = (torch.tensor([end], dtype=torch.float64) for end in (low, high))
    own = torch.tensor([[*symbols]], dtype=torch.float64).reshape(1, -1, low.shape[1])
    middle = (low + high) / 2
    rest = torch.zeros_like(low) if len(symbols) else (high - low) / 2
    return Region(low, high, middle, own, rest)


def claimed(asked, words: str, budget: str = "", **options):
    found = certify(asked, [words], EVA(device="cpu"), options=options, budget=budget)
    return found.claims[0]


KINKED = [[1.0, 0.0], [0.0, 1.0]], [-0.5, 0.5], [[4.0, 1.0], [0.0, 0.0]]
"""The first output is `4 relu(x1 - 0.5) + relu(x2 + 0.5)`: slopes (0 or 4, 1) around 0."""


def test_the_top_holds_where_no_kink_is_and_is_refuted_beyond_one():
    network = loaded(piecewise(*KINKED))
    x = np.array([0.25, 0.5])
    found = claimed(query(network, Box.around(x, 0.125)), "map-stability:saliency")
    assert found.finding.status == "estimate"
    assert found.finding.details["top_k"] == [1]
    assert found.finding.details["certain_signs"] == 1
    details = found.finding.details
    assert 0 <= details["change_linf_at_least"] <= details["change_linf_at_most"]
    asked = query(network, Box.around(x, 0.5))
    finding = claimed(asked, "map-stability:saliency").finding
    assert finding.status == "refuted"
    assert finding.witness[0] > 0.5
    other = finding.arrays["other_input"]
    assert (other == finding.witness).all()
    assert asked.box.contains(other.astype(np.float64))
    same = {int(network.run_onnx(point[None])[0].argmax()) for point in (x, other)}
    assert same == {0}
    scores = exact_map(search(asked, "saliency"), other)
    assert abs(scores[0]) > abs(scores[1])
    assert finding.arrays["other_score_lower"][0] > finding.arrays["other_score_upper"][1]
    assert finding.arrays["center_score_lower"][1] > finding.arrays["center_score_upper"][0]


@pytest.mark.parametrize("words", ["map-stability:saliency", "map-sign:gradient-times-input"])
def test_the_largest_radius_is_found_from_both_sides(words):
    """The first kink is 0.25 away, and the sign of `x2 * slope` can change at 0.5."""
    network = loaded(piecewise(*KINKED))
    asked = query(network, Box.around(np.array([0.25, 0.5]), 4.0))
    details = claimed(asked, words, radius="max").finding.details
    true = 0.25 if "stability" in words else 0.5
    assert 0.9 * true < details["r_estimate"] <= true
    assert true <= details["r_attacked"] < 1.2 * true


def test_a_kink_at_the_input_leaves_the_top_open():
    network = loaded(piecewise(*KINKED))
    asked = query(network, Box.around(np.array([0.5, 0.5]), 0.1))
    finding = claimed(asked, "map-stability:saliency").finding
    assert finding.status == "unknown"
    assert "not sure" in finding.statement


def test_what_holds_of_some_parts_of_a_box_does_not_hold_of_it():
    network = loaded(piecewise(*KINKED))
    box = Box.around(np.array([0.25, 0.5]), 0.5)
    one = search(query(network, box), "saliency")
    goal = TopK.at(one.start, 1)
    proofs = list(itertools.islice(one.proofs(box.lower, box.upper, goal), 5))
    assert proofs[-1].boxes == 2
    assert not any(proof.holds for proof in proofs)


def test_a_constant_map_ties_everywhere():
    network = loaded(piecewise([[1.0, 1.0]], [-9.0], [[1.0], [0.0]], (1.0, 0.0)))
    asked = query(network, Box.around(np.array([0.5, 0.5]), 0.1))
    for words in ("map-stability:saliency", "map-sign:saliency"):
        assert claimed(asked, words).finding.status == "unknown"


def test_a_box_of_which_nothing_is_left_is_an_alarm(monkeypatch):
    network = loaded(piecewise(*KINKED))
    box = Box.around(np.array([0.25, 0.5]), 0.5)
    one = search(query(network, box), "saliency", budget="100nodes")
    monkeypatch.setattr(Phases, "split", lambda *_: None)
    with pytest.raises(SoundnessAlarm, match="no part"):
        list(one.proofs(box.lower, box.upper, TopK.at(one.start, 1)))


def test_a_derivative_between_two_phases_is_covered():
    """At the kink `x1 = 0.5` every slope from 0 to 4: intervals, and the top of a mean of two maps.

    Whatever the phase, `x2`'s slope 5 stays the largest; so it does for every mean.
    """
    network = loaded(piecewise([[1, 0], [0, 1]], [-0.5, 5], [[4, 5], [0, 0]]))
    box = Box.around(np.array([0.25, 0.5]), 0.5)
    one = search(query(network, box), "saliency", budget="100nodes")
    goal = TopK.at(one.start, 1)
    proof = list(one.proofs(box.lower, box.upper, None))[-1]
    for slope in (0.0, 2.0, 4.0):
        assert proof.lower[0] <= slope <= proof.upper[0]
    assert not goal.holds(region([-9.0, -5.0], [0.0, -5.0]))  # the other sign is not proved


def test_intervals_of_a_box_are_narrowed_by_lines_and_stay_inside():
    network = loaded(mlp((3, 12, 12, 12, 2), seed=2))
    box = Box.around(np.full(3, 0.5), 0.3)
    one = search(query(network, box), "saliency", budget="9nodes")
    plain, lines = itertools.islice(one.proofs(box.lower, box.upper, None, narrow=True), 2)
    assert (lines.upper - lines.lower < plain.upper - plain.lower).any()
    assert (lines.lower >= plain.lower).all()
    assert (lines.upper <= plain.upper).all()
    for point in np.random.default_rng(0).uniform(box.lower, box.upper, (20, 3)):
        assert inside(lines.lower, lines.upper, exact_map(one, point))


def test_a_difference_that_cancels_is_proved_by_phases():
    """`|x| - |x| + 3 y` in two layers: intervals see slopes up to 4 for x, each phase sees 0."""
    first = [[1, 0], [-1, 0], [0, 1]]
    network = loaded(piecewise(first, [0, 0, 5], [[0.5, 0.5, 3], [0, 0, 0]]))
    box = Box.around(np.array([0.25, 0.5]), 0.5)
    one = search(query(network, box), "saliency", budget="100nodes")
    goal = TopK.at(one.start, 1)
    assert [proof.holds for proof in one.proofs(box.lower, box.upper, goal)][-1]


@pytest.mark.parametrize("name", ["saliency", "gradient-times-input", "integrated-gradients"])
def test_splitting_proves_what_one_box_does_not_and_stays_inside(name):
    """By phases where the map is one gradient, else by halves."""
    network = loaded(mlp((2, 6, 6, 2), seed=3))
    box = Box.around(np.array([0.5, 0.5]), 0.5)
    one = search(query(network, box), name, **SMALL[name])
    proofs = list(one.proofs(box.lower, box.upper, None))
    widths = [(proof.upper - proof.lower).sum() for proof in proofs]
    assert all(after <= before for before, after in itertools.pairwise(widths))
    assert widths[-1] < widths[0]
    rng = np.random.default_rng(0)
    for point in rng.uniform(box.lower, box.upper, (20, 2)):
        for low, score, high in zip(
            proofs[-1].lower, exact_map(one, point), proofs[-1].upper, strict=True
        ):
            assert Fraction(low) <= score <= Fraction(high)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_what_a_symbol_moves_together_cancels_but_never_too_much(seed):
    """Judged at every corner of the symbols and the remainder, in rationals."""
    rng = np.random.default_rng(seed)
    centre, symbols = rng.integers(-9, 10, 4), rng.integers(-4, 5, (2, 4))
    rest = rng.integers(0, 2, 4)
    reach = np.abs(symbols).sum(0) + rest
    parts = (centre - reach, centre + reach, centre, symbols, rest)
    found = Region(*(torch.tensor(part, dtype=torch.float64)[None] for part in parts))
    members = torch.tensor([0, 1])
    sign = torch.tensor([1.0, -1.0], dtype=torch.float64)
    above = beats(found, members, sign)
    corners = [
        centre + sum(s * row for s, row in zip(signs, symbols, strict=True)) + np.array(end) * rest
        for signs in itertools.product((-1, 1), repeat=2)
        for end in itertools.product((-1, 1), repeat=4)
    ]
    for u, v in itertools.product(range(2), range(4)):
        if u != v and above[u, v]:
            assert all(sign[u] * corner[u] > abs(corner[v]) for corner in corners)


FIRST = TopK(torch.tensor([0]), torch.tensor([1.0]).double())


def test_correlated_scores_are_told_apart_where_intervals_overlap():
    symbols = [[3.0, 3.0, 0.0]]
    assert not FIRST.holds(region([1.5, 0.5, 0.0], [7.5, 6.5, 0.1]))
    assert FIRST.holds(region([1.5, 0.5, 0.0], [7.5, 6.5, 0.1], symbols))


def test_linear_bounds_have_to_show_both_the_sum_and_the_difference():
    """The other score is below 1, but -3 is larger in size."""
    ends = torch.tensor([1.0, -3.0]).double(), torch.tensor([2.0, 0.5]).double()

    def above(weights, _):
        return weights.clamp(min=0) @ ends[1] + weights.clamp(max=0) @ ends[0]

    found = region(*(end.tolist() for end in ends))
    assert not FIRST.holds(replace(found, above=above))
    ends[0][1] = -0.5
    assert FIRST.holds(replace(region([1.0, -3.0], [2.0, 0.5]), above=above))


def test_changes_of_two_parts_hold_of_means_of_both():
    members = torch.tensor([0, 1])
    one, two = (
        Change(1.0, 2.0, cosine, members, torch.tensor(above))
        for cosine, above in (
            (-0.5, [[True, True, True], [True, True, False]]),
            (0.5, [[True, True, False], [True, True, True]]),
        )
    )
    both = one.worst(two)
    assert both.above.tolist() == [[True, True, False], [True, True, False]]
    assert both.cosine == -1.0
    assert two.worst(two).cosine == 0.5


def test_a_tie_is_no_order():
    tie = region([1.0, 1.0], [1.0, 1.0])
    assert TopK.at(tie, 1) is None
    assert Sign.at(region([0.0, -2.0], [0.0, 2.0])) is None


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10_000))
def test_changes_are_bounded_for_every_map_in_the_region(seed):
    """Squares are compared in rationals, so there is no tolerance."""
    rng = np.random.default_rng(seed)
    start = rng.normal(size=5)
    low, high = start - rng.uniform(0, 1.0, 5), start + rng.uniform(0, 1.0, 5)
    members = torch.as_tensor(np.abs(start).argsort()[::-1][:2].copy())
    change = Change.over(region(low, high), region(start, start), members)
    for map_ in [low, high, *rng.uniform(low, high, (10, 5))]:
        a = [Fraction(float(v)) for v in start]
        b = [Fraction(float(v)) for v in map_]
        gaps = [abs(p - q) for p, q in zip(a, b, strict=True)]
        assert max(gaps) <= Fraction(change.linf)
        assert sum(g * g for g in gaps) <= Fraction(change.l2) ** 2
        inner = sum(p * q for p, q in zip(a, b, strict=True))
        squares = sum(p * p for p in a) * sum(q * q for q in b)
        cosine = Fraction(change.cosine)
        sign = 1 if inner >= 0 else -1
        assert sign * inner * inner >= (1 if cosine >= 0 else -1) * cosine * cosine * squares
        top = set(np.abs(map_).argsort()[::-1][:2].tolist())
        assert len(top & set(members.tolist())) >= change.kept


def test_words_that_are_no_claim_are_refused():
    for words, options, message in [
        ("map-stability", {}, "METHOD is one of"),
        ("map-stability:lime", {}, "METHOD is one of"),
        ("map-stability:saliency,steps=3", {}, "steps"),
        ("map-stability:saliency,absolute", {}, "no setting"),
        ("map-stability:saliency", {"top_k": 0}, "at least 1"),
        ("map-sign:rise", {}, "METHOD is one of"),
        ("map-stability:eva", {"shift": "0.1", "radius": "max"}, "--shift max"),
    ]:
        with pytest.raises(SettingError, match=message):
            claim_named(words, options)


def test_more_features_than_there_are_are_refused():
    network = loaded(mlp())
    asked = query(network, Box.around(np.zeros(4), 0.1))
    found = claimed(asked, "map-stability:saliency", top_k=5)
    assert found.finding.status == "error"
    assert "5 largest of 4" in found.finding.details["error"]


def test_that_of_eva_is_the_claim_stability():
    _, part = claim_named("map-stability:eva", {"top_k": 2, "shift": 0.1})
    assert type(part).__name__ == "StabilityClaim"
    assert part.parameters == {"of": "top-k:2", "shift": 0.1}
