"""Monotone faces: bounds hold the exact overlaps, and so do the pairs that they decide."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import loaded, mlp, model
from onnx import helper
from oracle import exact_overlaps

from certify.test_exchange import APART, OVERLAPPING, assert_true, overlaps_of, question
from verixplain.bounds import Engine
from verixplain.bounds.enclosure import enclose
from verixplain.bounds.parent import bound_groups
from verixplain.certify.exchange import exchange
from verixplain.certify.faces import Face, Faces
from verixplain.certify.order import closure
from verixplain.errors import RegionError, SoundnessAlarm
from verixplain.features import Groups
from verixplain.query import Box, Query, Target


def faced(query: Query, overlaps, stop=lambda: False):
    raised = exchange(query, overlaps, device="cpu")
    faces = Faces(query, overlaps, "cpu")
    for row in raised.asked():
        faces.row(row, raised, stop)
    return raised, faces


def broken(query: Query, raised) -> bool:
    """Whether a bound or a pair is against the exact overlaps."""
    exact = exact_overlaps(query.network, query.box, query.target, query.groups.members)[1:]
    upper = raised.row_upper.max(axis=0)
    if any(Fraction(float(b)) < truth.exact for b, truth in zip(upper, exact, strict=True)):
        return True
    return any(exact[v].exact <= exact[u].exact for u, v in np.argwhere(raised.above()))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 100_000), st.floats(0.05, 0.6), st.sampled_from([APART, OVERLAPPING]))
def test_faces_hold_the_exact_overlaps(seed, radius, members):
    query = question(mlp((3, 4, 3, 2), seed=seed), radius, seed, members)
    raised, _ = faced(query, overlaps_of(query))
    assert not broken(query, raised)
    assert_true(query, closure(raised.above()))


def test_the_box_is_bounded_on_faces_too():
    for seed in range(5):
        query = question(mlp((3, 4, 3, 2), seed=seed), 0.3, seed, APART)
        overlaps = overlaps_of(query)
        _, faces = faced(query, overlaps)
        exact = exact_overlaps(query.network, query.box, query.target, query.groups.members)[0]
        assert Fraction(float(faces.box_upper.max())) >= exact.exact


def test_gaps_shrink_and_pairs_are_added():
    before = after = pairs = more = 0
    for seed in range(6):
        query = question(mlp((6, 10, 10, 2), seed=seed), 0.1, seed, [[k] for k in range(6)])
        overlaps = overlaps_of(query)
        alone = exchange(query, overlaps, device="cpu")
        raised, _ = faced(query, overlaps)
        assert (raised.row_upper <= overlaps.row_upper).all()
        before += (overlaps.group_upper - overlaps.group_lower).sum()
        after += (raised.row_upper.max(axis=0) - overlaps.group_lower).sum()
        pairs += alone.above().sum()
        more += raised.above().sum()
    assert after < before
    assert more >= pairs


def turning() -> Query:
    """`10 z1 - z2 + 2 relu(z2 + 4 z1 - 2)` around 0: z2 rises it at `z1 = 1`, not at `z1 = 0`."""
    weights = {
        "w": np.array([[4, 1], [1, 0], [0, 1]], "f4"),
        "b": np.array([-2, 5, 5], "f4"),
        "v": np.array([[0, 0, 0], [2, 10, -1]], "f4"),
        "c": np.array([0, -45], "f4"),
    }
    nodes = [
        helper.make_node("Gemm", ["x", "w", "b"], ["h"], "hidden", transB=1),
        helper.make_node("Relu", ["h"], ["a"], "relu"),
        helper.make_node("Gemm", ["a", "v", "c"], ["y"], "out", transB=1),
    ]
    network = loaded(model(nodes, weights, ("batch", 2)))
    box = Box.around(np.zeros(2, "f4"), 1.0)
    return Query(network, box, Target.label(0), Groups.columns((2,)))


def test_signs_and_gradients_of_the_face_alone_are_caught(monkeypatch):
    """Traps: later signs applied to `B_u`, and J on the face only. A witness says no to both."""
    query = turning()
    overlaps = overlaps_of(query)
    raised, _ = faced(query, overlaps)
    assert not broken(query, raised)
    original = Faces._gradients

    def on_the_face(self, row, face):
        engine = self.engine
        low, high = engine.tensor(face.lower)[None], engine.tensor(face.upper)[None]
        values = enclose(engine.exact, low, high)
        names = engine.exact.relaxed_inputs()
        ends = {name: (values[name].lower, values[name].upper) for name in names}
        return original(self, row, Face(face.lower, face.upper, face.hull, ends))

    monkeypatch.setattr(Faces, "_gradients", on_the_face)
    with pytest.raises(SoundnessAlarm):
        faced(query, overlaps)[0].above()


def test_stopping_early_keeps_what_was_found():
    query = question(mlp((6, 10, 10, 3)), 0.3, 0, [[k] for k in range(6)])
    overlaps = overlaps_of(query)
    early, _ = faced(query, overlaps, stop=lambda: True)
    assert (early.above() == exchange(query, overlaps, device="cpu").above()).all()


def test_a_face_outside_the_box_is_refused():
    query = question(mlp((3, 4, 3, 2)), 0.1, 0, APART)
    engine = Engine.of(query.network, "float64", "cpu")
    outside = query.box.lower - 1, query.box.upper
    with pytest.raises(RegionError, match="face"):
        bound_groups(engine, query.box, query.groups, query.target, face=outside)
