"""Boxes, targets and queries: what exists is valid."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import loaded, mlp

from verixplain.errors import GroupsError, NotFiniteError, RegionError, TargetError
from verixplain.features import Groups
from verixplain.query import Box, Query, Target

CENTER = np.array([0.25, 0.5, 0.75])


def test_a_ball_is_cut_with_the_data_range():
    box = Box.around(CENTER, 0.5, (0.0, 1.0))
    assert box.lower.tolist() == [0.0, 0.0, 0.25]
    assert box.upper.tolist() == [0.75, 1.0, 1.0]


def test_radii_and_ranges_may_differ_by_feature():
    box = Box.around(CENTER, np.array([0.0, 0.25, 0.5]), (np.array([0.0, 0.4, 0.5]), 1.0))
    assert box.lower.tolist() == [0.25, 0.4, 0.5]
    assert box.upper.tolist() == [0.25, 0.75, 1.0]


@pytest.mark.parametrize(
    ("radius", "clip", "words"),
    [
        (-0.1, None, "negative or NaN"),
        (np.nan, None, "negative or NaN"),
        (np.array([0.1, np.nan, 0.1]), None, "negative or NaN"),
        (np.ones(2), None, "broadcast"),
        (0.1, (0.3, 1.0), "must lie in its box"),
        (0.1, (0.0, 0.7), "--clip"),
        (0.1, (np.nan, 1.0), "not finite"),
    ],
)
def test_a_region_that_is_none_is_refused(radius, clip, words):
    with pytest.raises((RegionError, NotFiniteError), match=words):
        Box.around(CENTER, radius, clip)


@pytest.mark.parametrize("name", ["center", "lower", "upper"])
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_an_end_that_is_no_number_is_refused_by_name(name, wrong):
    ends = {"center": CENTER.copy(), "lower": CENTER - 1, "upper": CENTER + 1}
    ends[name][1] = wrong
    with pytest.raises(NotFiniteError, match=rf"{name} is not finite, first at \(1,\)"):
        Box(**ends)


def test_ends_out_of_order_or_of_another_shape_are_refused():
    with pytest.raises(RegionError, match=r"at \(2,\) it is 0.75"):
        Box(CENTER, CENTER - 1, np.array([1.0, 1.0, 0.7]))
    with pytest.raises(RegionError, match=r"upper is \(2,\)"):
        Box(CENTER, CENTER - 1, np.ones(2))


def test_a_box_cannot_be_changed_from_outside():
    given = CENTER.copy()
    box = Box.around(given, 0.1)
    given[:] = 9.0
    assert box.center.tolist() == CENTER.tolist()
    with pytest.raises(ValueError, match="read-only"):
        box.lower[0] = -1.0


@settings(max_examples=50, deadline=None)
@given(st.sets(st.integers(0, 2)), st.lists(st.floats(0, 1), min_size=3, max_size=3))
def test_a_frozen_box_holds_exactly_the_points_with_the_group_at_the_center(frozen, share):
    box = Box.around(CENTER, 0.25)
    held = box.freeze(np.array(sorted(frozen), dtype=int))
    point = np.clip(box.lower + np.array(share) * (box.upper - box.lower), box.lower, box.upper)
    same = all(point[i] == CENTER[i] for i in frozen)
    assert held.contains(point) == same
    moved = point.copy()
    moved[list(frozen)] = CENTER[list(frozen)]
    assert held.contains(moved)
    assert box.contains(moved)


def test_membership_is_exact():
    box = Box.around(CENTER, 0.25)
    outside = box.upper.copy()
    outside[0] = np.nextafter(outside[0], 9)
    assert box.contains(box.upper)
    assert not box.contains(outside)
    assert not box.contains(np.array([np.nan, 0.5, 0.75]))


def test_rows_of_an_untargeted_question_are_all_margins():
    matrix, offsets = Target.label(1).matrix(3)
    assert matrix.tolist() == [[1, -1, 0], [0, -1, 1]]
    assert offsets.tolist() == [0, 0]
    assert Target.label(1).row_names(3) == ["class 0 over class 1", "class 2 over class 1"]


def test_where_the_smallest_wins_margins_are_negated():
    assert Target.label(1, smallest_wins=True).matrix(3)[0].tolist() == [[-1, 1, 0], [0, 1, -1]]
    assert Target.pair(0, 2, smallest_wins=True).matrix(3)[0].tolist() == [[1, 0, -1]]


def test_a_pair_is_one_row():
    matrix, _ = Target.pair(2, 0).matrix(3)
    assert matrix.tolist() == [[1, 0, -1]]


def test_rows_are_kept_as_they_are():
    target = Target.rows([[1.0, -2.0]], [0.5])
    matrix, offsets = target.matrix(2)
    assert (matrix.tolist(), offsets.tolist()) == ([[1.0, -2.0]], [0.5])
    assert target.row_names(2) == ["row 0"]
    assert hash(target) == hash(Target.rows([[1.0, -2.0]], [0.5]))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Target.pair(1, 1), "two classes"),
        (lambda: Target.label(3).matrix(3), "no class 3"),
        (lambda: Target.label(-1).matrix(3), "no class -1"),
        (lambda: Target.pair(0, 5).matrix(3), "no class 5"),
        (lambda: Target.label(0).matrix(1), "one output"),
        (lambda: Target.rows([[1.0, 2.0]]).matrix(3), "2 numbers"),
        (lambda: Target.rows([[1.0], [2.0]], [1.0]), "offsets"),
        (lambda: Target.rows(np.zeros((0, 3))), "rows are"),
        (lambda: Target.rows([[np.nan]]), "not finite"),
        (lambda: Target.rows([[1.0]], [np.inf]), "not finite"),
    ],
)
def test_a_target_the_network_cannot_have_is_refused(make, words):
    with pytest.raises((TargetError, NotFiniteError), match=words):
        make()


def test_a_query_fits_its_network():
    network = loaded(mlp((3, 4, 2)))
    box, target = Box.around(CENTER, 0.1), Target.label(0)
    assert len(Query(network, box, target).groups) == 3
    with pytest.raises(RegionError, match="input is"):
        Query(network, Box.around(np.zeros(4), 0.1), target)
    with pytest.raises(TargetError, match="no class 2"):
        Query(network, box, Target.label(2))
    with pytest.raises(GroupsError, match="made for"):
        Query(network, box, target, Groups.columns((4,)))


def test_a_center_the_model_cannot_be_run_on_is_refused():
    network = loaded(mlp((3, 4, 2)))
    with pytest.raises(RegionError, match="not representable"):
        Query(network, Box.around(np.array([0.1, 0.5, 0.5]), 0.1), Target.label(0))
