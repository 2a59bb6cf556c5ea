"""Sufficient sets: against the exact overlaps of every set of groups."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import loaded, mlp, model
from onnx import helper
from oracle import by_patterns

from certify.test_exchange import APART, OVERLAPPING, question
from verixplain.attribution.eva import EVA
from verixplain.certify import sufficient as module
from verixplain.certify.claim import claim_named
from verixplain.certify.run import certify
from verixplain.certify.sufficient import Sufficient
from verixplain.errors import SettingError
from verixplain.features import Groups
from verixplain.query import Box, Query, Target


def claimed(query: Query, budget: str = ""):
    return certify(query, ["sufficient"], EVA(device="cpu"), budget=budget).claims[0]


def least(query: Query) -> int | None:
    """The size of the smallest sufficient set, by enumeration; None where there is none."""
    count = len(query.groups)
    for size in range(count + 1):
        for chosen in combinations(range(count), size):
            held = [i for u in chosen for i in query.groups.members[u]]
            if by_patterns(query.network, query.box, query.target, held).exact < 0:
                return size
    return None


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 100_000),
    st.floats(0.05, 1.0),
    st.sampled_from([APART, OVERLAPPING]),
)
def test_sizes_hold_the_size_of_the_smallest_set(seed, radius, members):
    query = question(mlp((3, 4, 3, 2), seed=seed), radius, seed, members)
    label = int(query.network(query.box.center[None])[0].argmax())
    query = Query(query.network, query.box, Target.label(label), query.groups)
    found = claimed(query).finding
    size = least(query)
    if found.status == "refuted":
        assert size is None
        return
    if found.status == "estimate":
        assert size is not None
        assert found.details["lower"] <= size <= found.details["upper"]
        held = [i for u in found.details["groups"] for i in query.groups.members[u]]
        assert by_patterns(query.network, query.box, query.target, held).exact < 0
        if found.details["subset_minimal"]:
            for u in found.details["groups"]:
                fewer = [v for v in found.details["groups"] if v != u]
                held = [i for v in fewer for i in query.groups.members[v]]
                assert by_patterns(query.network, query.box, query.target, held).exact >= 0


def both() -> Query:
    """`g = relu(z1 + z2 - 1) - 1/2` on [0, 1]^2 around 0: each alone is harmless, both are not."""
    weights = {
        "w": np.array([[1, 1]], "f4"),
        "b": np.array([-1], "f4"),
        "v": np.array([[0], [1]], "f4"),
        "c": np.array([0, -0.5], "f4"),
    }
    nodes = [
        helper.make_node("Gemm", ["x", "w", "b"], ["h"], "hidden", transB=1),
        helper.make_node("Relu", ["h"], ["a"], "relu"),
        helper.make_node("Gemm", ["a", "v", "c"], ["y"], "out", transB=1),
    ]
    network = loaded(model(nodes, weights, ("batch", 2)))
    box = Box(np.zeros(2), np.zeros(2), np.ones(2))
    return Query(network, box, Target.label(0), Groups.columns((2,)))


def test_groups_that_are_harmless_alone_are_not_freed_together(monkeypatch):
    """Trap: bounds of single groups do not add."""
    query = both()
    found = claimed(query).finding
    assert found.details["lower"] <= found.details["upper"] == 1
    sets = Sufficient(query, "crown", "cpu")
    everyone = np.ones(2, dtype=bool)
    assert sets.freed(everyone, everyone).sum() <= 1

    def alone(engine, box, groups, target):
        """Bounds of each group alone, as if they added up."""
        lone = [
            by_patterns(query.network, query.box, query.target, [1 - u]).value for u in range(2)
        ]
        return np.array([-0.5 + sum(one + 0.5 for one in lone)]), np.array([[-0.5, -0.5]])

    monkeypatch.setattr(module, "linear_bounds", alone)
    both_freed = sets.freed(everyone, everyone)
    assert both_freed.all()
    assert by_patterns(query.network, query.box, query.target).exact >= 0


def test_nothing_is_sufficient_where_the_decision_is_already_lost():
    query = both()
    lost = Query(query.network, query.box, Target.label(1), query.groups)
    found = claimed(lost).finding
    assert found.status == "refuted"
    assert found.details["replayed"] >= 0


def test_a_budget_keeps_what_was_found():
    query = question(mlp((6, 8, 8, 3), seed=1), 0.3, 1, [[k] for k in range(6)])
    label = int(query.network(query.box.center[None])[0].argmax())
    query = Query(query.network, query.box, Target.label(label), query.groups)
    early, late = claimed(query, "1nodes"), claimed(query)
    assert early.finding.status == "estimate"
    assert early.finding.details["upper"] >= late.finding.details["upper"]


def test_it_has_no_parameters():
    with pytest.raises(SettingError):
        claim_named("sufficient:3")
