"""Rule 6: pairs that hold at every input near the one explained, against exact overlaps there."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import loaded, mlp, model
from onnx import helper
from oracle import corners, exact_overlaps

from certify.test_exchange import APART, OVERLAPPING, overlaps_of, question
from verixplain.attribution.eva import EVA
from verixplain.certify.claim import claim_named
from verixplain.certify.exchange import Reach
from verixplain.certify.flip import around, flipped
from verixplain.certify.run import certify
from verixplain.certify.stability import Moved, Stability, data_range
from verixplain.errors import SettingError
from verixplain.features import Groups
from verixplain.query import Box, Query, Target

ALL = np.ones((3, 3), dtype=bool)


def near(query: Query, shift: float, count: int = 6) -> list[np.ndarray]:
    """Inputs within the shift and the data range: corners, and some inside."""
    least, most = data_range(query.box)
    low = np.maximum(query.box.center - shift, least).astype("f4").astype(float)
    high = np.minimum(query.box.center + shift, most).astype("f4").astype(float)
    rng = np.random.default_rng(0)
    inside = [rng.uniform(low, high).astype("f4").astype(float) for _ in range(2)]
    return [*corners(Box(low, low, high), count), *inside]


def wrong(query: Query, above: np.ndarray, shift: float) -> bool:
    """Whether a pair is not so at some input near by, in rationals."""
    if not above.any():
        return False
    for x in near(query, shift):
        moved = replace(query, box=around(query.box, x))
        exact = exact_overlaps(moved.network, moved.box, moved.target, moved.groups.members)[1:]
        if any(exact[v].exact <= exact[u].exact for u, v in np.argwhere(above)):
            return True
    return False


def stable(query: Query, shift: float) -> np.ndarray:
    asked = np.ones((len(query.groups),) * 2, dtype=bool)
    witnesses = overlaps_of(query).group_witness
    return Stability(query, witnesses, "cpu").above(shift, asked)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 100_000),
    st.floats(0.02, 0.4),
    st.floats(0.0, 0.4),
    st.sampled_from([None, (0.0, 1.0)]),
    st.sampled_from([APART, OVERLAPPING]),
)
def test_no_pair_contradicts_the_exact_overlaps_at_any_input_near_by(
    seed, radius, shift, clip, members
):
    query = question(mlp((3, 4, 3, 2), seed=seed), radius, seed, members, clip)
    assert not wrong(query, stable(query, shift), shift)


def test_without_a_shift_it_is_the_order_at_the_input():
    found = 0
    for seed in range(6):
        query = question(mlp((3, 4, 3, 2), seed=seed), 0.1, seed, APART)
        found += int(stable(query, 0.0).sum())
    assert found > 0


def linear(x, radius, clip=None) -> Query:
    """`g = 2 z1 + z2`."""
    weights = {"w": np.array([[0, 0], [2, 1]], "f4"), "b": np.zeros(2, "f4")}
    nodes = [helper.make_node("Gemm", ["x", "w", "b"], ["y"], "out", transB=1)]
    network = loaded(model(nodes, weights, ("batch", 2)))
    box = Box.around(np.array(x, "f4"), radius, clip)
    return Query(network, box, Target.label(0), Groups.columns((2,)))


def test_a_move_has_the_least_room_that_any_input_leaves_it(monkeypatch):
    """Trap: the center's hi and lo. At `z1 = 1`, the end of the range, z1 moves nothing up."""
    query = linear([0.5, 0.5], 0.125, (0.0, 1.0))
    assert stable(query, 0.25)[0, 1]
    assert not stable(query, 0.5)[0, 1]
    original = Moved.of.__func__

    def centre(cls, box, shift, device="cpu"):
        return replace(original(cls, box, shift, device), reach=Reach.of(box, None, device))

    monkeypatch.setattr(Moved, "of", classmethod(centre))
    above = stable(query, 0.5)
    assert above[0, 1]
    assert wrong(query, above, 0.5)


def gated() -> Query:
    """`g = 2 relu(8 z1 + z2 - 4) + z3` around (1, 0, 0), where z1 itself does not move."""
    weights = {
        "w": np.array([[8, 1, 0], [0, 0, 1]], "f4"),
        "b": np.array([-4, 4], "f4"),
        "v": np.array([[0, 0], [2, 1]], "f4"),
        "c": np.array([0, -4], "f4"),
    }
    nodes = [
        helper.make_node("Gemm", ["x", "w", "b"], ["h"], "hidden", transB=1),
        helper.make_node("Relu", ["h"], ["a"], "relu"),
        helper.make_node("Gemm", ["a", "v", "c"], ["y"], "out", transB=1),
    ]
    network = loaded(model(nodes, weights, ("batch", 3)))
    box = Box.around(np.array([1, 0, 0], "f4"), np.array([0, 0.125, 0.125]))
    return Query(network, box, Target.label(0), Groups.columns((3,)))


def test_an_input_without_a_radius_still_shifts(monkeypatch):
    """Trap: at `z1 = 0` the gate is shut, so z2 counts nothing, though z1 has no radius."""
    query = gated()
    assert stable(query, 0.125)[1, 2]
    assert not stable(query, 1.0)[1, 2]
    original = Moved.of.__func__

    def unmoved(cls, box, shift, device="cpu"):
        found = original(cls, box, shift, device)
        fixed = box.radius == 0
        x, hull = box.center, found.hull
        ends = [np.where(fixed, x, end) for end in (hull.lower, hull.upper)]
        still = tuple(np.where(fixed, x, end) for end in found.still)
        return replace(found, hull=Box(x, *ends), still=still)

    monkeypatch.setattr(Moved, "of", classmethod(unmoved))
    above = stable(query, 1.0)
    assert above[1, 2]
    assert wrong(query, above, 1.0)


def shut() -> Query:
    """`g = relu(z1 + 1 - 8 relu(z2))` around 0: at `z2 = 1/2` nothing that z1 does opens it."""
    weights = {
        "w": np.eye(2, dtype="f4"),
        "b": np.array([8, 0], "f4"),
        "v": np.array([[1, -8]], "f4"),
        "c": np.array([-7], "f4"),
        "k": np.array([[0], [1]], "f4"),
        "d": np.zeros(2, "f4"),
    }
    nodes = [
        helper.make_node("Gemm", ["x", "w", "b"], ["h"], "first", transB=1),
        helper.make_node("Relu", ["h"], ["a"], "relu1"),
        helper.make_node("Gemm", ["a", "v", "c"], ["i"], "second", transB=1),
        helper.make_node("Relu", ["i"], ["e"], "relu2"),
        helper.make_node("Gemm", ["e", "k", "d"], ["y"], "out", transB=1),
    ]
    network = loaded(model(nodes, weights, ("batch", 2)))
    box = Box.around(np.zeros(2, "f4"), np.array([2.0, 0.0]))
    return Query(network, box, Target.label(0), Groups.columns((2,)))


def test_what_a_group_reaches_at_the_centre_is_not_what_it_reaches_everywhere(monkeypatch):
    """Trap: L at the centre."""
    query = shut()
    assert stable(query, 0.03125)[0, 1]
    assert not stable(query, 0.5)[0, 1]

    def at_the_centre(self, moved, witnesses, chosen):
        return overlaps_of(self.query).group_lower[chosen][:, None]

    monkeypatch.setattr(Stability, "lower", at_the_centre)
    above = stable(query, 0.5)
    assert above[0, 1]
    assert wrong(query, above, 0.5)


def test_an_input_with_another_order_refutes_it():
    query = gated()
    asked = np.zeros((3, 3), dtype=bool)
    asked[1, 2] = True
    found = flipped(query, asked, 1.0, EVA(device="cpu"))
    assert found is not None
    assert (found.u, found.v) == (1, 2)
    moved = replace(query, box=found.box)
    exact = exact_overlaps(moved.network, moved.box, moved.target, moved.groups.members)[1:]
    assert exact[2].exact <= exact[1].exact
    assert found.box.contains(found.witness.astype(float))
    assert flipped(query, asked, 0.1, EVA(device="cpu")) is None


def test_the_claim_is_proved_refuted_and_searched():
    query, method = gated(), EVA(device="cpu")

    def one(words, shift):
        found = certify(query, [words], method, options={"shift": shift}).claims[0]
        return found.finding

    assert one("stability:pair:1,2", "0.125").status == "estimate"
    refuted = one("stability:pair:1,2", "1.0")
    assert refuted.status == "refuted"
    assert refuted.details["replayed"] >= refuted.bound
    largest = one("stability", "max")
    assert largest.status == "estimate"
    assert 0.125 < largest.details["r_estimate"] < 0.6
    assert largest.details["r_attacked"] > largest.details["r_estimate"]
    assert one("stability:top-k:1", 0.125).status == "estimate"


def test_what_it_cannot_be_is_refused():
    for words, shift in (("", None), ("", "-1"), ("", "far"), ("row", 1), ("order:1", 1)):
        with pytest.raises(SettingError):
            claim_named(f"stability:{words}", {} if shift is None else {"shift": shift})
    with pytest.raises(SettingError, match="shift"):
        Moved.of(gated().box, float("nan"))
