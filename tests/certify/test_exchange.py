"""The exchange rule: never against the exact overlaps, and every trap of it as a test."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from laws.small import cancelling, pooled, product
from networks import loaded, mlp, model, residual
from onnx import helper
from oracle import exact_overlaps

from verixplain.attack.pgd import PGD
from verixplain.bounds import Engine
from verixplain.bounds.jacobian import Gradients, gradients
from verixplain.bounds.parent import bound_groups
from verixplain.certify import exchange as module
from verixplain.certify.exchange import Exchange, Reach, candidates, exchange
from verixplain.certify.order import closure, order
from verixplain.errors import SettingError, SoundnessAlarm, UnsupportedBoundError
from verixplain.explanation import Overlaps
from verixplain.features import Groups
from verixplain.query import Box, Query, Target


def overlaps_of(query: Query) -> Overlaps:
    found = bound_groups(
        Engine.of(query.network, "float64", "cpu"), query.box, query.groups, query.target
    )
    attack = PGD(steps=6, restarts=1).run(query, query.groups.memberships(), device="cpu")
    ends = {name: (low.numpy(), high.numpy()) for name, (low, high) in found.values.items()}
    return Overlaps(
        lower=float(attack.lower.max()),
        upper=float(found.parent.max()),
        group_lower=attack.lower,
        group_upper=found.groups,
        witness=attack.points[0],
        group_witness=attack.points,
        row_upper=found.rows,
        box_row_upper=found.parent,
        intervals=ends,
    )


def question(proto, radius: float, seed: int, members: list, clip=None) -> Query:
    network = loaded(proto)
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 1, network.input_shape).astype("f4")
    label = int(rng.integers(network.outputs))
    names = tuple(str(k) for k in range(len(members)))
    groups = Groups(network.input_shape, tuple(np.array(m, int) for m in members), names)
    return Query(network, Box.around(x, radius, clip), Target.label(label), groups)


def decided(query: Query) -> np.ndarray:
    overlaps = overlaps_of(query)
    return closure(order(overlaps).above | exchange(query, overlaps, device="cpu").above())


def assert_true(query: Query, above: np.ndarray) -> None:
    """Every pair (u, v) has `AO(B_v) > AO(B_u)`, in rationals at the oracle's points."""
    if not above.any():
        return
    exact = exact_overlaps(query.network, query.box, query.target, query.groups.members)[1:]
    for u, v in np.argwhere(above):
        assert exact[v].exact > exact[u].exact


APART = [[0], [1], [2]]
OVERLAPPING = [[0], [0, 1], [1, 2], [0, 1, 2], []]


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 100_000),
    st.floats(0.01, 0.6),
    st.sampled_from(["Relu", "LeakyRelu"]),
    st.sampled_from([2, 2, 3]),
)
def test_no_pair_contradicts_the_exact_overlaps(seed, radius, activation, classes):
    query = question(mlp((3, 4, 3, classes), activation, seed=seed), radius, seed, APART)
    assert_true(query, decided(query))


@settings(max_examples=70, deadline=None)
@given(st.integers(0, 100_000), st.floats(0.01, 0.6))
def test_groups_that_overlap_trade_only_what_they_do_not_share(seed, radius):
    query = question(mlp((3, 4, 3, 2), seed=seed), radius, seed, OVERLAPPING)
    assert_true(query, decided(query))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 100_000), st.floats(0.01, 0.5))
def test_a_box_cut_with_the_data_range_has_one_sided_moves(seed, radius):
    query = question(mlp((3, 4, 3, 2), seed=seed), radius, seed, APART, clip=(0.0, 1.0))
    assert_true(query, decided(query))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("make", [lambda s: pooled(3, 3, seed=s), lambda s: residual(1, 4, seed=s)])
def test_pools_and_residual_connections(make, seed):
    members = [[k, k + 1, k + 2] for k in range(0, 15, 3)]
    query = question(make(seed), 0.05, seed, members)
    assert_true(query, decided(query))


def test_it_decides_pairs_that_the_enclosures_do_not():
    more = 0
    for seed in range(8):
        query = question(mlp((6, 8, 8, 3), seed=seed), 0.1, seed, [[k] for k in range(6)])
        overlaps = overlaps_of(query)
        more += int(
            (exchange(query, overlaps, device="cpu").above() & ~order(overlaps).above).sum()
        )
    assert more > 0


def test_groups_apart_and_overlapping_are_computed_alike(monkeypatch):
    monkeypatch.setattr(Exchange, "_few", lambda self: -1)  # corners are for groups apart only
    query = question(mlp((6, 8, 8, 3)), 0.1, 0, [[0, 3], [1], [2, 4], [5]])
    overlaps = overlaps_of(query)
    rule = Exchange(query.groups)
    pairwise = Exchange(query.groups)
    pairwise.apart = False
    pairwise.table = torch.as_tensor(query.groups.memberships(), dtype=torch.float64)
    engine = Engine.of(query.network, "float64", "cpu")
    rows = torch.eye(3, dtype=torch.float64)
    values = module.intervals(engine, query, overlaps)
    found = gradients(engine.exact, rows, values)
    reach = Reach.of(query.box)
    for row in range(3):
        assert (rule.row(found, row, reach) == pairwise.row(found, row, reach)).all()


def given_gradients(low, high, symbols=None) -> Gradients:
    low, high = (torch.tensor([side], dtype=torch.float64) for side in (low, high))
    centre = (low + high) / 2
    if symbols is None:
        none = torch.zeros(1, 0, low.shape[1], dtype=torch.float64)
        return Gradients(low, high, centre, none, high - centre)
    held = torch.tensor([symbols], dtype=torch.float64)
    return Gradients(low, high, centre, held, torch.zeros_like(low))


def columns(count: int) -> Groups:
    return Groups.columns((count,))


def test_one_move_has_to_do_on_every_part_of_a_cover():
    """`-3|z1| + z2`, split on z1: each half alone says that z1 counts more, and it does not."""
    rule, reach = Exchange(columns(2)), Reach.of(Box.around(np.zeros(2), 1.0))
    halves = [given_gradients([slope, 1.0], [slope, 1.0]) for slope in (3.0, -3.0)]
    assert all(rule.row(half, 0, reach)[0, 1] for half in halves)
    assert not rule.common(halves, 0, reach)[0, 1]


def test_gain_and_loss_take_the_sides_of_the_box_that_they_should():
    """u gains at least 2 * 1 upwards; v gives up at most 3 * 0.5 downwards."""
    box = Box(np.zeros(2), np.array([-0.1, -0.5]), np.array([1.0, 0.2]))
    rule, reach = Exchange(columns(2)), Reach.of(box)
    assert rule.row(given_gradients([2, -3], [9, -1]), 0, reach).tolist() == [
        [False, True],
        [False, False],
    ]
    # The same with a loss just as large as the gain: nothing.
    assert not rule.row(given_gradients([1.5, -3], [9, -1]), 0, reach)[0, 1]


def test_equal_gain_and_loss_decide_nothing():
    box = Box(np.zeros(2), -np.ones(2), np.ones(2))
    found = given_gradients([1, 1], [1, 1])
    assert not Exchange(columns(2)).row(found, 0, Reach.of(box)).any()


def test_a_gradient_of_open_sign_gains_nothing():
    box = Box(np.zeros(2), -np.ones(2), np.ones(2))
    found = given_gradients([-0.1, 0.0], [50, 0.0])
    assert not Exchange(columns(2)).row(found, 0, Reach.of(box))[0, 1]


def test_what_one_symbol_moves_together_cancels():
    """Gradients `2 + e` and `1 + e`: as intervals [1, 3] and [0, 2] nothing follows."""
    box = Box(np.zeros(2), -np.ones(2), np.ones(2))
    apart = given_gradients([1, 0], [3, 2])
    together = given_gradients([1, 0], [3, 2], [[1, 1]])
    opposite = given_gradients([1, 0], [3, 2], [[1, -1]])
    rule, reach = Exchange(columns(2)), Reach.of(box)
    assert not rule.row(apart, 0, reach).any()
    assert not rule.row(opposite, 0, reach).any()
    assert rule.row(together, 0, reach).tolist() == [[False, True], [False, False]]


def test_the_union_of_groups_counts_an_input_once():
    """Trap: sums instead of the union. [0, 1] against [1, 2]: only 0 against 2."""
    box = Box(np.zeros(3), np.zeros(3), np.ones(3))
    groups = Groups((3,), (np.array([0, 1]), np.array([1, 2])), ("a", "b"))
    found = given_gradients([1, 5, 2], [1, 5, 2])
    assert Exchange(groups).row(found, 0, Reach.of(box)).tolist() == [[False, False], [True, False]]


def test_a_nested_group_counts_no_more_than_the_larger_one():
    box = Box(np.zeros(2), np.zeros(2), np.ones(2))
    groups = Groups((2,), (np.array([0]), np.array([0, 1])), ("small", "large"))
    found = given_gradients([1, 1], [2, 2])
    assert Exchange(groups).row(found, 0, Reach.of(box)).tolist() == [[False, False], [True, False]]


def test_a_row_that_reaches_the_overlap_exactly_counts():
    """Trap: a strict row criterion."""
    assert candidates(np.array([[1.0], [0.5]]), np.array([1.0])).tolist() == [[True], [False]]


def test_no_row_at_all_is_an_alarm():
    """Trap: an empty row set would decide every pair."""
    with pytest.raises(SoundnessAlarm, match="every row is bounded by"):
        candidates(np.array([[1.0], [0.5]]), np.array([1.1]))


def linear(weight: list, bias: list, radius: float = 0.5) -> Query:
    """`W x + b` around the middle of a box, class 0 against the others; each input a group."""
    weights = {"w": np.array(weight, "f4"), "b": np.array(bias, "f4")}
    nodes = [helper.make_node("Gemm", ["x", "w", "b"], ["y"], "out", transB=1)]
    network = loaded(model(nodes, weights, ("batch", len(weight[0]))))
    x = np.full(network.input_shape, radius, "f4")
    return Query(network, Box.around(x, radius), Target.label(0), columns(len(x)))


def test_every_possible_row_must_agree(monkeypatch):
    """Rows `2 z1` and `3 z2 - 1`. The second alone can be the worst of `B_1`, and it says no."""
    query = linear([[0, 0], [2, 0], [0, 3]], [0, 0, -1])
    exact = exact_overlaps(query.network, query.box, query.target, query.groups.members)[1:]
    assert exact[0].exact == exact[1].exact  # 2, attained by unlike rows: a tie
    assert not exchange(query, overlaps_of(query), device="cpu").above().any()
    monkeypatch.setattr(module, "candidates", lambda upper, lower: np.eye(2, dtype=bool))
    assert exchange(query, overlaps_of(query), device="cpu").above().any()


def test_eva_s_counterexample_is_not_repeated():
    """`relu(5 x1) - relu(5 x1) + relu(x2)`: the idle input is never above the other."""
    network = loaded(cancelling())
    query = Query(network, Box.around(np.zeros(2, "f4"), 1.0), Target.rows(np.eye(1)), columns(2))
    assert not decided(query)[0, 1]


def test_a_feature_that_cannot_move_never_counts_more():
    box = Box(np.zeros(2), np.array([0.0, -1.0]), np.array([0.0, 1.0]))
    found = given_gradients([5, 0], [5, 0])
    assert not Exchange(columns(2)).row(found, 0, Reach.of(box))[0].any()


def test_stopping_early_decides_nothing_for_rows_left_out():
    query = question(mlp((6, 8, 8, 3)), 0.3, 0, [[k] for k in range(6)])
    overlaps = overlaps_of(query)
    whole = exchange(query, overlaps, device="cpu").above()
    part = exchange(query, overlaps, device="cpu", stop=lambda: True).above()
    assert not (part & ~whole).any()


def test_what_it_cannot_do_is_refused():
    query = question(mlp((3, 4, 3, 2)), 0.1, 0, APART)
    bare = Overlaps(0.0, 1.0, np.zeros(3), np.ones(3), np.zeros(3), np.zeros((3, 3)))
    with pytest.raises(SettingError, match="every row"):
        exchange(query, bare, device="cpu")
    query = question(product(), 0.1, 0, APART)
    with pytest.raises(UnsupportedBoundError, match="gate"):
        exchange(query, overlaps_of(query), device="cpu").above()


def test_with_few_symbols_every_corner_is_looked_at():
    """v has gradient `0.4 + e`: as an interval it may lose 1.4, at `e = 1`; u gains `2 + e`.

    At `e = -1` v still loses 0.6 (downwards) and u gains 1: at both corners u gains more.
    """
    box = Box(np.zeros(2), -np.ones(2), np.ones(2))
    together = given_gradients([1, -0.6], [3, 1.4], [[1, 1]])
    opposite = given_gradients([1, -0.6], [3, 1.4], [[1, -1]])
    rule, reach = Exchange(columns(2)), Reach.of(box)
    assert rule.row(together, 0, reach).tolist() == [[False, True], [False, False]]
    assert not rule.row(opposite, 0, reach).any()
