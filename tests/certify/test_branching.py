"""Branch and bound for claims: nothing wrong is decided, more is, and what was found stays."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import loaded, mlp, model
from onnx import helper
from oracle import exact_overlaps

from certify.test_exchange import APART, assert_true, question
from verixplain.attribution.eva import EVA
from verixplain.certify.branching import Branching
from verixplain.certify.budget import Budget
from verixplain.certify.run import certify
from verixplain.features import Groups
from verixplain.query import Box, Query, Target

METHOD = EVA(device="cpu")


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 100_000), st.floats(0.1, 0.8))
def test_no_pair_contradicts_the_exact_overlaps(seed, radius):
    query = question(mlp((3, 5, 4, 2), seed=seed), radius, seed, APART)
    found = certify(query, ["order"], METHOD, budget="15nodes")
    assert_true(query, found.explanation.order.above)


def test_it_decides_what_the_rules_do_not(monkeypatch):
    queries = [
        question(mlp((4, 8, 8, 2), seed=seed), 0.4, seed, [[0], [1], [2], [3]]) for seed in range(4)
    ]

    def pairs() -> int:
        found = [certify(query, ["order"], METHOD, budget="60nodes") for query in queries]
        return sum(one.explanation.order.decided for one in found)

    with_tree = pairs()
    monkeypatch.setattr(Branching, "step", lambda *_: None)
    assert with_tree > pairs()


def bent() -> Query:
    """`-3 |z1| + z2` around 0: on either half z1 has a sure sign, and still counts nothing."""
    weights = {
        "w": np.array([[1, 0], [-1, 0], [0, 1]], "f4"),
        "b": np.array([0, 0, 4], "f4"),
        "v": np.array([[0, 0, 0], [-3, -3, 1]], "f4"),
        "c": np.array([0, -4], "f4"),
    }
    nodes = [
        helper.make_node("Gemm", ["x", "w", "b"], ["h"], "hidden", transB=1),
        helper.make_node("Relu", ["h"], ["a"], "relu"),
        helper.make_node("Gemm", ["a", "v", "c"], ["y"], "out", transB=1),
    ]
    network = loaded(model(nodes, weights, ("batch", 2)))
    return Query(network, Box.around(np.zeros(2, "f4"), 1.0), Target.label(0), Groups.columns((2,)))


def test_the_exchange_rule_is_not_applied_on_a_leaf():
    above = certify(bent(), ["order"], METHOD).explanation.order.above
    assert above.tolist() == [[False, False], [True, False]]


def test_the_prediction_is_proved_or_refuted():
    statuses = set()
    for seed in range(12):
        query = question(mlp((3, 6, 6, 2), seed=seed), 0.5, seed, APART)
        label = int(query.network(query.box.center[None])[0].argmax())
        query = Query(query.network, query.box, Target.label(label), query.groups)
        finding = certify(query, ["prediction"], METHOD, budget="100nodes").claims[0].finding
        statuses.add(finding.status)
        if finding.status == "refuted":
            assert finding.details["replayed"] >= 0
    assert statuses >= {"estimate", "refuted"}


def test_the_same_nodes_give_the_same_bounds():
    query = question(mlp((4, 8, 8, 3), seed=2), 0.5, 2, [[0], [1], [2], [3]])
    one, two = (certify(query, ["order"], METHOD, budget="30nodes").explanation for _ in range(2))
    assert (one.overlaps.group_upper == two.overlaps.group_upper).all()
    assert one.tree == two.tree
    assert one.tree["leaves"] > 1


def test_an_interruption_keeps_what_was_proved(monkeypatch):
    query = question(mlp((4, 8, 8, 3), seed=2), 0.5, 2, [[0], [1], [2], [3]])
    whole = certify(query, ["order"], METHOD, budget="60nodes")
    original, calls = Branching.step, []

    def interrupted(self, *args):
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(1)
        return original(self, *args)

    monkeypatch.setattr(Branching, "step", interrupted)
    found = certify(query, ["order"], METHOD, budget="60nodes")
    assert found.claims[0].stopped_by == "interrupted"
    assert found.explanation.tree["stopped_by"] == "interrupted"
    assert not (found.explanation.order.above & ~whole.explanation.order.above).any()
    assert found.explanation.overlaps.upper >= whole.explanation.overlaps.upper


@pytest.mark.parametrize("claim", ["top-k:1", "pair:0,1"])
def test_other_claims_say_what_they_ask(claim):
    query = question(mlp((4, 8, 8, 2), seed=1), 0.4, 1, [[0], [1], [2], [3]])
    found = certify(query, [claim], METHOD, budget="60nodes")
    assert found.claims[0].finding.status in ("estimate", "refuted", "unknown", "timeout")
    assert_true(query, found.explanation.order.above)


@pytest.mark.parametrize("during", ["bound", "attack"])
@pytest.mark.parametrize("how", ["interrupted", "budget"])
def test_bounds_and_attack_end_early_too(monkeypatch, during, how):
    query = question(mlp((4, 8, 8, 3), seed=2), 0.1, 2, [[0], [1], [2], [3]])
    monkeypatch.setattr(Budget, "over", lambda self: self.words == "gone")
    spent = []

    def told(stage, done, count):
        if stage == during and not spent:
            spent.append(stage)
            if how == "interrupted":
                raise KeyboardInterrupt
            monkeypatch.setattr(Budget, "over", lambda self: True)

    found = certify(query, ["order", "stability"], METHOD, options={"shift": 0.1}, progress=told)
    overlaps = found.explanation.overlaps
    exact = exact_overlaps(query.network, query.box, query.target, query.groups.members)
    for low, high, truth in zip(
        [*overlaps.group_lower, overlaps.lower],
        [*overlaps.group_upper, overlaps.upper],
        [*exact[1:], exact[0]],
        strict=True,
    ):
        assert Fraction(float(low)) <= truth.exact <= Fraction(float(high))
    first, second = found.claims
    assert first.stopped_by == how
    assert second.finding.status == ("not-run" if how == "interrupted" else "timeout")
    assert found.explanation.bound == ("interval" if during == "bound" else "crown")
