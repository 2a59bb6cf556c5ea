"""The exchange rule in the checker: never against exact overlaps, and its traps."""

import numpy as np
import pytest
from networks import loaded, mlp
from oracle import exact_overlaps

from verixplain.query import Box, Target

from .exchanging import wrong_gains, wrong_gradients
from .hostile import Writer
from .making import Draft, draft, margins

EACH = np.array([[0], [1], [2], [3]])
ALL = [(u, v) for u in range(4) for v in range(4) if u != v]


def exchanged(made: Draft, pairs=ALL) -> Draft:
    return made.claim("exchange", pairs=made.put("exchanged", np.array(pairs, np.int32)))


def gained(made: Draft) -> np.ndarray:
    (claim,) = [c for c in made.check().report["claims"] if c["kind"] == "exchange"]
    return np.array(claim["proved"]["real"])


def test_no_pair_contradicts_the_exact_overlaps():
    assert sum(_pairs_that_are_true(seed) for seed in range(24)) > 40


def _pairs_that_are_true(seed: int) -> int:
    """How many pairs are proved on a random network; each is held against exact overlaps."""
    rng = np.random.default_rng(seed)
    network = loaded(mlp((4, 5, 4, 3), ["Relu", "LeakyRelu"][seed % 2], seed))
    center = rng.uniform(-1, 1, 4).astype(np.float32)
    radius, rows = float(rng.choice([0.03, 0.1, 0.3])), margins(int(rng.integers(3)), 3)
    made = draft(network.data, center, radius, rows, groups=EACH, semantics=("real",))
    box = Box(center, made.arrays["lower"], made.arrays["upper"])
    exact = exact_overlaps(network, box, Target.rows(rows), EACH)[1:]
    made.witnesses(np.tile(center, (4, 1)), range(4), [0] * 4).settle()
    found = [pair for pair, least in zip(ALL, gained(exchanged(made)), strict=True) if least > 0]
    for u, v in found:
        assert exact[v].exact > exact[u].exact
    return len(found)


def test_gradients_and_gains_contradict_no_exact_rational():
    assert not list(wrong_gradients("verixplain.checker", seed=3, count=100))


def test_rounding_of_gains_is_counted():
    assert not list(wrong_gains("verixplain.checker", seed=4, count=100))


def linear(semantics=("real",), weights=(4.0, -2.0, 1.0, 1.0), groups=EACH) -> Draft:
    w = Writer(np.random.default_rng(0), "plain")
    model = w.model((1, 4), w.node("Gemm", ["x", w.constant(np.array([weights]))], transB=1))
    return draft(model, np.zeros(4), 1.0, np.array([[1.0]]), groups=groups, semantics=semantics)


def test_on_a_linear_network_the_gains_are_exact_and_a_tie_is_not_ordered():
    found = dict(zip(ALL, gained(exchanged(linear())), strict=True))
    assert found[0, 1] == pytest.approx(2.0)
    assert found[1, 2] == pytest.approx(1.0)
    assert found[3, 1] == pytest.approx(-1.0)
    assert found[2, 3] <= 0.0
    assert found[3, 2] <= 0.0


def test_order_and_top_k_follow_by_chains_of_exchanges():
    made = exchanged(linear(), [(0, 1), (1, 2), (1, 3)])
    made.claim("order", pairs=made.put("order", np.array([[0, 3]], np.int32)))
    made.claim("top-k", group=made.put("top", np.array([0, 1], np.int32)))
    assert made.check().answer == "ACCEPTED"
    made.put("order", np.array([[2, 3]], np.int32))
    assert made.check().answer == "REJECTED"


def test_a_pair_that_is_not_proved_carries_no_chain():
    made = exchanged(linear(), [(1, 0), (0, 3)])
    made.claim("order", pairs=made.put("order", np.array([[1, 3]], np.int32)))
    verdict = made.check()
    assert verdict.answer == "REJECTED"
    assert [claim["holds"]["real"] for claim in verdict.report["claims"]] == [False, False]


def test_exchange_is_for_the_reals_and_for_groups_apart():
    assert exchanged(linear(("real", "float32"))).check().reason == "semantics"
    apart = linear(groups=[[0, 1], [1, 2], [3], []])
    assert exchanged(apart, [(0, 1)]).check().reason == "claim"
    assert (
        exchanged(linear(groups=[[0, 1], [1, 2], [3], []]), [(0, 2)]).check().answer == "ACCEPTED"
    )


def test_rows_that_cannot_be_the_largest_are_left_out_only_with_a_witness():
    """Rows 3 x0 + x1 and 9 x1 - 100: the second wants the other order, and never matters."""
    w = Writer(np.random.default_rng(0), "plain")
    weight, bias = w.constant([[3.0, 1.0], [0.0, 9.0]]), w.constant([0.0, -100.0])
    model = w.model((1, 2), w.node("Gemm", ["x", weight, bias], transB=1))
    for witness, answer in ((False, "REJECTED"), (True, "ACCEPTED")):
        made = draft(model, np.zeros(2), 1.0, np.eye(2), groups=[[0], [1]], semantics=("real",))
        if witness:
            made.witnesses(np.zeros((1, 2), np.float32), [0], [0]).settle()
        assert exchanged(made, [(0, 1)]).check().answer == answer
