"""Which inputs move together."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verixplain.errors import GroupsError, SettingError
from verixplain.features import Groups, guess_layout, plane


def members(groups: Groups) -> list[list[int]]:
    return [group.tolist() for group in groups.members]


@pytest.mark.parametrize(
    ("shape", "layout", "pixels"),
    [
        ((2, 2, 3), "nchw", [[0, 6], [1, 7], [2, 8], [3, 9], [4, 10], [5, 11]]),
        ((2, 3, 2), "nhwc", [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10, 11]]),
        ((2, 3), "hw", [[0], [1], [2], [3], [4], [5]]),
        ((4, 1), "flat", [[0], [1], [2], [3]]),
    ],
)
def test_the_channels_of_a_pixel_are_one_group(shape, layout, pixels):
    groups = Groups.pixels(shape, layout)
    assert members(groups) == pixels
    assert groups.names[-1] == f"{groups.plane.rows - 1},{groups.plane.columns - 1}"


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 9), st.integers(1, 9), st.integers(1, 3), st.data(),
    st.sampled_from(["nchw", "nhwc"]),
)  # fmt: skip
def test_a_grid_covers_every_input_once_whatever_divides(rows, columns, channels, data, layout):
    high, wide = data.draw(st.integers(1, rows)), data.draw(st.integers(1, columns))
    shape = (channels, rows, columns) if layout == "nchw" else (rows, columns, channels)
    groups = Groups.grid(shape, high, wide, layout)
    assert len(groups) == high * wide
    assert sorted(np.concatenate(groups.members)) == list(range(rows * columns * channels))
    sizes = {len(group) for group in groups.members}
    assert min(sizes) > 0
    tall = {-(-rows // high), rows // high}
    broad = {-(-columns // wide), columns // wide}
    assert sizes <= {channels * a * b for a in tall for b in broad}


def test_a_grid_larger_than_the_image_is_refused():
    with pytest.raises(GroupsError, match="3x2 does not fit an image of 2x2"):
        Groups.grid((1, 2, 2), 3, 2, "nchw")
    with pytest.raises(GroupsError):
        Groups.grid((1, 2, 2), 0, 1, "nchw")


def test_columns_by_number_and_by_name():
    assert members(Groups.columns((3,))) == [[0], [1], [2]]
    groups = Groups.columns((4,), {"sex": [3, 1], "age": [0]})
    assert (members(groups), groups.names) == ([[1, 3], [0]], ("sex", "age"))


def test_a_label_map_makes_one_group_a_number_and_negative_is_none():
    labels = np.array([[0, 7], [-1, 7]])
    groups = Groups.labels((2, 2), labels)
    assert (members(groups), groups.names) == ([[0], [1, 3]], ("0", "7"))
    groups = Groups.labels((2, 2, 2), labels, "nchw")
    assert members(groups) == [[0, 4], [1, 3, 5, 7]]
    assert groups.label_map().tolist() == [[[0, 1], [-1, 1]]] * 2


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.zeros((2, 2)), "integers"),
        (np.zeros((3, 2), int), "fits neither"),
        (np.full((2, 2), -1), "no number that is not negative"),
    ],
)
def test_a_label_map_that_is_none_is_refused(labels, words):
    with pytest.raises(GroupsError, match=words):
        Groups.labels((1, 2, 2), labels, "nchw")


def test_superpixels_hold_every_pixel_once():
    pytest.importorskip("skimage")
    image = np.zeros((1, 12, 12))
    image[:, :, 6:] = 1.0
    groups = Groups.superpixels(image, 4, "nchw")
    assert sorted(np.concatenate(groups.members)) == list(range(144))
    assert groups.kind == "superpixels:4"
    flat = Groups.superpixels(np.full((1, 12, 12), 3.0), 4, "nchw")
    assert sorted(np.concatenate(flat.members)) == list(range(144))


def test_members_are_sorted_without_repeats_and_cannot_be_changed():
    groups = Groups((4,), (np.array([3, 1, 3]), np.array([], int)), ("a", "none"))
    assert members(groups) == [[1, 3], []]
    with pytest.raises(ValueError, match="read-only"):
        groups.members[0][0] = 2


@pytest.mark.parametrize(
    ("sets", "names", "words"),
    [
        ((), (), "no group"),
        (([0],), ("a", "b"), "1 groups but 2 names"),
        (([4],), ("a",), "names input 4"),
        (([-1, 0],), ("a",), "names input -1"),
    ],
)
def test_groups_that_do_not_fit_are_refused(sets, names, words):
    with pytest.raises(GroupsError, match=words):
        Groups((4,), sets, names)


def test_groups_made_for_another_shape_are_refused():
    with pytest.raises(GroupsError, match=r"made for inputs of \(4,\)"):
        Groups.columns((4,)).check_fits((2, 2))


def test_memberships_are_one_row_a_group():
    groups = Groups((3,), ([0, 1], [], [1, 2]), ("a", "none", "b"))
    assert groups.memberships().tolist() == [[1, 1, 0], [0, 0, 0], [0, 1, 1]]
    assert groups.memberships(1, 3).tolist() == [[0, 0, 0], [0, 1, 1]]


def test_where_groups_overlap_the_largest_number_is_shown():
    groups = Groups((4,), ([0, 1], [1, 2]), ("a", "b"))
    shown = groups.spread([1.0, -2.0])
    assert shown[:3].tolist() == [1.0, 1.0, -2.0]
    assert np.isnan(shown[3])


def test_layouts_are_guessed_only_where_there_is_one_reading():
    assert guess_layout((28, 28)) == "hw"
    assert guess_layout((3, 32, 32)) == "nchw"
    assert guess_layout((32, 32, 3)) == "nhwc"
    for shape in ((784,), (784, 1), (3, 4, 3), (1, 1, 1, 5)):
        with pytest.raises(GroupsError, match="--layout"):
            guess_layout(shape)


def test_a_layout_that_does_not_fit_is_refused():
    with pytest.raises(SettingError, match="no layout 'cwh'"):
        plane((2, 2), "cwh")
    with pytest.raises(GroupsError, match="no square image"):
        plane((5,), "flat")
    with pytest.raises(GroupsError, match="no image in layout 'vec'"):
        plane((5,), "vec")
