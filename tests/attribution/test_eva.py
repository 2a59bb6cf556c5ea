"""EVA as a method among methods; its bounds and attacks have their own tests."""

from fractions import Fraction

import numpy as np
import oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from laws import small
from networks import loaded, mlp

from attribution.settings import digits, query
from verixplain.attack.pgd import Witnesses
from verixplain.attribution.eva import EVA, nested, propagate
from verixplain.errors import SettingError, SoundnessAlarm, UnsupportedBoundError
from verixplain.explainer import explain
from verixplain.features import Groups
from verixplain.query import Box, Query, Target
from verixplain.registry import bound_methods

BOUNDS = sorted(bound_methods)
ENGINES = ("auto", "per-group")


def test_called_as_captum_is_it_gives_the_scores_of_its_explanation():
    of, x = digits("digits_mlp")
    method = EVA(steps=2, restarts=1)
    expected = method.explain(query(of, x[0], radius=0.05)).scores
    found = method.on(of).attribute(x[:1].astype("f8"), radius=0.05)[0]
    np.testing.assert_array_equal(found, expected)


# What the score is, and what it is not.


def cancelling() -> Query:
    """`g = relu(5 x1) - relu(5 x1) + relu(x2)` around 0 with a radius of 1."""
    network = loaded(small.cancelling())
    return Query(network, Box.around(np.zeros(2), 1.0), Target.rows([[1.0]]))


def test_intervals_rank_a_feature_without_any_effect_first():
    found = EVA(bound="interval").explain(cancelling())
    np.testing.assert_allclose(found.group_scores, [5, 1], rtol=1e-9)


@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize("engine", ENGINES)
def test_the_enclosure_holds_the_truth_where_the_score_does_not(bound, engine):
    asked = cancelling()
    exact = oracle.exact_overlaps(asked.network, asked.box, asked.target, asked.groups.members)
    whole, *groups = [one.exact for one in exact]
    truth = [whole - one for one in groups]
    assert truth == [0, 1]
    try:
        found = EVA(bound=bound, engine=engine).explain(asked)
    except UnsupportedBoundError as refusal:
        pytest.skip(f"refused: {refusal}")
    for low, true, high in zip(found.group_lower, truth, found.group_upper, strict=True):
        assert Fraction(float(low)) <= true <= Fraction(float(high))


def check_against_the_oracle(found, asked: Query) -> None:
    """Upper bounds lie above exact values, lower bounds are values of points of the sub-box."""
    overlaps = found.overlaps
    exact = oracle.exact_overlaps(asked.network, asked.box, asked.target, asked.groups.members)
    uppers = [overlaps.upper, *overlaps.group_upper]
    lowers = [overlaps.lower, *overlaps.group_lower]
    points = [overlaps.witness, *overlaps.group_witness]
    for frozen, low, high, point, one in zip(
        [np.arange(0), *asked.groups.members], lowers, uppers, points, exact, strict=True
    ):
        assert one.exact <= Fraction(float(high))
        assert asked.box.freeze(frozen).contains(point)
        assert Fraction(float(low)) <= oracle.exact_overlap(asked.network, point, asked.target)
        assert low <= one.value + 1e-6  # the solver's own accuracy
    for u, one in enumerate(exact[1:]):
        truth = exact[0].value - one.value
        assert found.group_lower[u] - 1e-6 <= truth <= found.group_upper[u] + 1e-6


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    radius=st.sampled_from([0.05, 0.3, 1.0]),
    activation=st.sampled_from(["Relu", "LeakyRelu"]),
    bound=st.sampled_from(["interval", "crown-ibp", "crown", "tightest"]),
    engine=st.sampled_from(ENGINES),
    targeted=st.booleans(),
    members=st.lists(st.sets(st.integers(0, 3)), min_size=1, max_size=4),
)
def test_the_enclosure_holds_the_exact_importance(
    seed, radius, activation, bound, engine, targeted, members
):
    network = loaded(mlp((4, 4, 3, 3), activation, seed=seed))
    center = np.random.default_rng(seed).uniform(-1, 1, 4).astype("f4").astype(float)
    target = Target.pair(0, 2) if targeted else Target.label(seed % 3)
    sets = tuple(np.array(sorted(one), dtype=int) for one in members)
    groups = Groups((4,), sets, tuple(map(str, range(len(sets)))))
    asked = Query(network, Box.around(center, radius), target, groups)
    method = EVA(bound=bound, engine=engine, steps=8, restarts=2)
    check_against_the_oracle(method.explain(asked), asked)


def test_the_enclosure_holds_the_exact_importance_with_optimised_slopes():
    network = loaded(mlp((4, 4, 3, 3), seed=3))
    center = np.random.default_rng(3).uniform(-1, 1, 4).astype("f4").astype(float)
    asked = Query(network, Box.around(center, 0.5), Target.label(0))
    for engine in ENGINES:
        check_against_the_oracle(EVA(bound="alpha-crown", engine=engine).explain(asked), asked)


def question(name: str = "mlp-relu", members: tuple = (), radius: float = 0.3) -> Query:
    network = small.network(name)
    groups = None
    if members:
        sets = tuple(np.array(one, dtype=int) for one in members)
        groups = Groups(network.input_shape, sets, tuple(map(str, range(len(sets)))))
    return Query(network, Box.around(small.center(network), radius), Target.label(0), groups)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", sorted(small.MAKERS))
def test_no_alarm_on_overlapping_empty_and_full_groups(name, engine):
    size = int(np.prod(small.network(name).input_shape))
    members = ([], [0], range(size // 2), range(1, size), range(size))
    found = EVA(engine=engine, steps=4, restarts=1).explain(question(name, members))
    assert (found.overlaps.group_lower <= found.overlaps.group_upper).all()
    assert (found.group_lower <= found.group_upper).all()
    assert found.group_scores[0] == pytest.approx(0.0, abs=1e-9)  # freezing nothing changes nothing
    assert found.group_lower[0] == 0.0
    assert (found.overlaps.group_witness[-1] == found.query.box.center).all()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_group_inside_another_never_has_a_smaller_overlap(engine):
    members = ([0], [0, 1], [0, 1, 2], [0, 1, 2, 3])
    for name in ("mlp-relu", "mlp-leaky", "mlp-tanh"):
        found = EVA(engine=engine, steps=1, restarts=1).explain(question(name, members))
        assert (np.diff(found.overlaps.group_upper) <= 0).all()
        assert (np.diff(found.overlaps.group_lower) <= 0).all()
        assert found.overlaps.lower >= found.overlaps.group_lower.max()
        assert (found.overlaps.group_upper <= found.overlaps.upper).all()


@pytest.mark.parametrize("engine", ENGINES)
def test_untargeted_is_the_largest_of_all_targets(engine):
    asked = question(radius=0.1)
    eva = EVA(engine=engine)
    every = eva.explain(asked).overlaps
    pairs = [
        eva.explain(Query(asked.network, asked.box, Target.pair(0, k))).overlaps for k in (1, 2)
    ]
    largest = np.max([pair.group_upper for pair in pairs], axis=0)
    np.testing.assert_allclose(every.group_upper, largest, rtol=1e-9, atol=1e-9)
    for pair in pairs:
        assert every.upper >= pair.lower
        assert (every.group_upper >= pair.group_lower).all()


def test_where_the_smallest_score_wins_it_is_the_explanation_of_the_negated_network():
    plain, box = loaded(mlp((3, 4, 3), seed=5)), Box.around(np.zeros(3), 0.4)
    one = EVA().explain(Query(plain, box, Target.label(1, smallest_wins=True)))
    rows = np.array([[-1.0, 1.0, 0.0], [0.0, 1.0, -1.0]])
    two = EVA().explain(Query(plain, box, Target.rows(rows)))
    np.testing.assert_array_equal(one.group_scores, two.group_scores)
    check_against_the_oracle(one, one.query)


def test_rows_with_offsets_move_the_overlap_and_not_the_importance():
    network, box = loaded(mlp((3, 4, 1), seed=5)), Box.around(np.zeros(3), 0.4)
    one = EVA().explain(Query(network, box, Target.rows([[1.0]])))
    two = EVA().explain(Query(network, box, Target.rows([[1.0]], [-2.5])))
    assert two.overlaps.upper == pytest.approx(one.overlaps.upper - 2.5)
    np.testing.assert_allclose(one.group_scores, two.group_scores, atol=1e-12)
    check_against_the_oracle(two, two.query)


# Witnesses.


@pytest.mark.parametrize(
    "name", ["mlp-relu", "mlp-leaky", "cnn", "maxpool-overlapping", "layernorm"]
)
def test_witnesses_lie_in_their_boxes_and_replay_in_onnx_runtime(name):
    asked = question(name)
    found = EVA(steps=5).explain(asked).overlaps
    matrix, offsets = asked.target.matrix(asked.network.outputs)
    assert found.group_witness.dtype == asked.network.input_dtype
    for members, low, point in zip(
        [np.arange(0), *asked.groups.members],
        [found.lower, *found.group_lower],
        [found.witness, *found.group_witness],
        strict=True,
    ):
        assert asked.box.contains(point.astype(float))
        assert (point.flat[members] == asked.box.center.flat[members]).all()
        replayed = (asked.network.run_onnx(point[None]) @ matrix.T + offsets).max()
        assert replayed == pytest.approx(low, abs=1e-4)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_same_seed_gives_the_same_explanation(engine):
    asked = question("cnn")
    one, two = (EVA(engine=engine, seed=4).explain(asked) for _ in range(2))
    np.testing.assert_array_equal(one.group_scores, two.group_scores)
    np.testing.assert_array_equal(one.overlaps.group_witness, two.overlaps.group_witness)
    np.testing.assert_array_equal(one.overlaps.group_lower, two.overlaps.group_lower)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_order_of_the_groups_does_not_matter(engine):
    asked = question("cnn", radius=0.05)
    turn = np.random.default_rng(0).permutation(len(asked.groups))
    groups = Groups(
        asked.groups.shape,
        tuple(asked.groups.members[u] for u in turn),
        tuple(asked.groups.names[u] for u in turn),
    )
    turned = Query(asked.network, asked.box, asked.target, groups)
    one, two = (explain(one, "eva", engine=engine, steps=5) for one in (asked, turned))
    np.testing.assert_allclose(
        one.overlaps.group_upper[turn], two.overlaps.group_upper, rtol=1e-9, atol=1e-9
    )
    sure = one.overlaps.group_upper[:, None] + 1e-6 < one.overlaps.group_lower[None]
    assert (two.order.above | ~sure[np.ix_(turn, turn)]).all()
    assert one.top_k.status in ("estimate", "unknown")


def test_an_engine_nobody_knows_is_refused():
    with pytest.raises(SettingError, match="no engine 'fast'"):
        EVA(engine="fast")


# The alarm: a rigorous lower bound above a rigorous upper bound.

NESTED = Groups((4,), ([0], [0, 1], [2]), ("a", "ab", "c"))


def numbers(lower: list[float], parent: float = 1.0) -> tuple[Witnesses, Witnesses]:
    points = np.arange(12, dtype=np.float32).reshape(3, 4)
    rows = np.zeros(3, dtype=int)
    found = Witnesses(points, np.array(lower), rows)
    return Witnesses(np.zeros((1, 4), np.float32), np.array([parent]), rows[:1]), found


def test_propagation_uses_the_parent_and_nesting():
    parent, found = numbers([0.5, 0.7, 2.0])
    overlaps = propagate(NESTED, 3.0, np.array([1.5, 5.0, 4.0]), parent, found)
    np.testing.assert_array_equal(overlaps.group_upper, [1.5, 1.5, 3.0])  # ab within a within B
    np.testing.assert_array_equal(overlaps.group_lower, [0.7, 0.7, 2.0])
    np.testing.assert_array_equal(overlaps.group_witness[0], found.points[1])
    assert (overlaps.lower, overlaps.upper) == (2.0, 3.0)
    np.testing.assert_array_equal(overlaps.witness, found.points[2])


def test_groups_that_are_equal_share_their_bounds():
    groups = Groups((4,), ([0, 1], [1, 0], [2]), ("one", "two", "other"))
    assert set(nested(groups)) == {(0, 1), (1, 0)}
    parent, found = numbers([0.1, 0.2, 0.3], parent=0.4)
    overlaps = propagate(groups, 1.0, np.array([0.9, 0.8, 1.0]), parent, found)
    np.testing.assert_array_equal(overlaps.group_upper, [0.8, 0.8, 1.0])
    np.testing.assert_array_equal(overlaps.group_lower, [0.2, 0.2, 0.3])


def test_an_empty_group_is_inside_every_other():
    groups = Groups((4,), ([], [0], [1]), ("none", "a", "b"))
    assert set(nested(groups)) == {(0, 1), (0, 2)}


@pytest.mark.parametrize(
    ("lower", "parent", "upper", "where"),
    [
        ([0.0, 0.0, 0.0], 1.0 + 2**-50, [1.0, 1.0, 1.0], "the box"),
        ([0.0, 0.0, 1.0 + 2**-50], 0.0, [1.0, 1.0, 1.0], "the box"),  # found in a sub-box
        ([0.0, 0.0, 0.5], 0.0, [1.0, 1.0, 0.5 - 2**-50], "group 'c'"),
        ([0.0, 0.5, 0.0], 0.0, [0.4, 1.0, 1.0], "group 'a'"),  # seen through nesting only
        ([0.0, 0.0, 0.5], 0.0, [1.0, 1.0, np.nan], "group 'c'"),
        ([0.0, 0.0, 0.0], np.nan, [1.0, 1.0, 1.0], "the box"),
    ],
)
def test_the_alarm_goes_off_without_any_tolerance(lower, parent, upper, where):
    witnesses = numbers(lower, parent)
    with pytest.raises(SoundnessAlarm, match=where):
        propagate(NESTED, 1.0, np.array(upper), *witnesses)


def test_no_alarm_where_bounds_meet():
    overlaps = propagate(NESTED, 1.0, np.ones(3), *numbers([1.0, 1.0, 1.0]))
    assert overlaps.lower == overlaps.upper == 1.0
