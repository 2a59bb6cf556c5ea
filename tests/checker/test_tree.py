"""Branch and bound in the checker: which leaves cover, and bounds over them on a real query."""

import numpy as np

from verixplain.checker.tree import covers

from .ordering import split

A, B = (1, 0), (1, 1)


def test_leaves_cover_exactly_where_every_choice_of_phases_is_in_one():
    assert covers([{}])
    assert covers([{A: 1}, {A: -1}])
    assert covers([{A: 1}, {A: -1, B: 1}, {A: -1, B: -1}])
    assert covers([{A: s, B: t} for s in (1, -1) for t in (1, -1)])
    assert not covers([])
    assert not covers([{A: 1}])
    assert not covers([{A: 1}, {A: 1}])
    assert not covers([{A: 1}, {A: -1, B: 1}])
    assert not covers([{A: 1, B: 1}, {A: -1, B: -1}])
    assert not covers([{A: 1}, {B: -1}])


def test_leaves_bound_what_one_pass_does_not():
    made = split()
    treed = np.array(made.check().report["claims"][0]["proved"]["float32"])
    made.manifest["recipe"]["tree"] = None
    for name in ("starts", "splits", "passes", "multipliers"):
        del made.arrays[name]
    plain = np.array(made.check().report["claims"][0]["proved"]["float32"])
    assert 0 <= treed[0] < 1e-5 < 1.0 < plain[0]
