import numpy as np
import pytest

import verixplain
from verixplain import models
from verixplain.errors import CardError, GroupsError, RegionError, TargetError
from verixplain.inputs import Input
from verixplain.network.card import Card
from verixplain.request import Request, length, made_groups, position, predicted_label

CARD = Card(layout="nchw", scale=1 / 255, mean=(0.1307,), std=(0.3081,), range=(0.0, 1.0))
SHAPE = (1, 8, 8)


@pytest.fixture
def network():
    return verixplain.load(models.find("digits_mlp"))


def given(raw, network):
    values = network.card.to_model(raw).astype(network.input_dtype)
    return Input(values, None, None, "raw", "here")


def test_units_agree_with_each_other():
    eight = np.array(8 / 255)
    scaled = length(eight, "scaled", CARD, SHAPE)
    assert scaled == pytest.approx(8 / 255 / 0.3081)
    assert length(np.array(8.0), "raw", CARD, SHAPE) == pytest.approx(scaled)
    assert length(scaled, "model", CARD, SHAPE) == scaled
    assert position(255, "raw", CARD, SHAPE) == pytest.approx((1 - 0.1307) / 0.3081)
    assert position(1, "scaled", CARD, SHAPE) == pytest.approx((1 - 0.1307) / 0.3081)


@pytest.mark.parametrize("clip", [None, (0.0, 1.0)])
def test_pixels_at_the_ends_of_the_range_lie_in_their_box(network, clip):
    network.card = CARD
    raw = np.zeros(SHAPE)
    raw[0, :4] = 255
    box = Request(radius=0.1, units="scaled", clip=clip).query(network, given(raw, network)).box
    assert (box.lower[0, 4:] == box.center[0, 4:]).all()
    assert (box.upper[0, :4] == box.center[0, :4]).all()


def test_a_center_rounded_in_another_order_lies_in_its_box_too(network):
    network.card = CARD
    single = (np.zeros(SHAPE, np.float32) - np.float32(0.1307)) / np.float32(0.3081)
    for nudge in (-1, 1):
        values = np.nextafter(single, np.float32(nudge * np.inf))
        query = Request(radius=0.1).query(network, Input(values, None, None, "model", "here"))
        assert query.box.contains(query.box.center)


def test_a_center_outside_the_range_is_still_refused(network):
    network.card = CARD
    with pytest.raises(RegionError, match="the center must lie in its box"):
        Request(radius=0.1).query(network, given(np.full(SHAPE, 256.0), network))


def test_a_radius_in_scaled_units_is_another_one_for_every_channel(network):
    card = Card(layout="nchw", std=(0.2, 0.4))
    found = length(np.array(0.1), "scaled", card, (2, 4, 4))
    np.testing.assert_allclose(found.ravel(), [0.5, 0.25])


def test_groups_by_words(network, tmp_path):
    center = np.zeros(SHAPE)
    assert made_groups(network, None, center).kind == "pixels"
    assert len(made_groups(network, "grid:3x2", center)) == 6
    np.save(tmp_path / "map.npy", np.arange(64).reshape(8, 8) % 5)
    assert len(made_groups(network, f"labels:{tmp_path / 'map.npy'}", center)) == 5
    np.save(tmp_path / "floats.npy", np.zeros((8, 8)))
    with pytest.raises(GroupsError, match="integers"):
        made_groups(network, f"labels:{tmp_path / 'floats.npy'}", center)


def test_columns_by_number_and_by_the_cards_names(network):
    network.card = Card(layout="vec", names=tuple(f"c{k}" for k in range(64)))
    groups = made_groups(network, None, np.zeros(SHAPE))
    assert (groups.kind, groups.names[:2]) == ("columns", ("c0", "c1"))
    groups = made_groups(network, "columns:sex=3+c4,c7,5", np.zeros(SHAPE))
    assert groups.names == ("sex", "c7", "5")
    assert [members.tolist() for members in groups.members] == [[3, 4], [7], [5]]
    with pytest.raises(GroupsError, match="no column 'age'"):
        made_groups(network, "columns:age", np.zeros(SHAPE))
    network.card = Card(names=("a", "b"))
    with pytest.raises(CardError, match="names 2 inputs, the network has 64"):
        made_groups(network, "columns", np.zeros(SHAPE))


def test_who_wins():
    outputs = np.array([1.0, 3.0, -2.0])
    assert predicted_label(outputs, "classes") == 1
    assert predicted_label(outputs, "scores-min") == 2
    assert predicted_label(outputs, "value") is None
    assert predicted_label(outputs[:1], "classes") is None


def test_the_smallest_score_wins_where_the_card_says_so(network):
    network.card = Card(kind="scores-min")
    here = given(np.zeros(SHAPE), network)
    target = Request(radius=0.1).query(network, here).target
    assert target.smallest_wins
    assert target.label_index == int(network(here.values[None])[0].argmin())


def test_a_value_needs_a_threshold(network):
    network.card = Card(kind="value")
    with pytest.raises(TargetError, match="--at-most or --at-least"):
        Request(radius=0.1).query(network, given(np.zeros(SHAPE), network))


def test_a_threshold_is_one_row():
    import torch

    single = verixplain.load(torch.nn.Linear(4, 1), example=torch.zeros(1, 4))
    here = Input(np.ones(4, np.float32), None, None, "model", "here")
    most = Request(radius=0.1, at_most=2.5).query(single, here).target
    least = Request(radius=0.1, at_least=2.5).query(single, here).target
    assert (most.coefficients, most.offsets) == (((1.0,),), (-2.5,))
    assert (least.coefficients, least.offsets) == (((-1.0,),), (2.5,))


def test_a_label_to_check_must_be_there(network):
    with pytest.raises(TargetError, match="has no label to check"):
        Request(radius=0.1, check_label=True).query(network, given(np.zeros(SHAPE), network))
