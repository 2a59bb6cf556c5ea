"""The 31 public networks on real inputs: the same numbers as ONNX Runtime, the known accuracy."""

import numpy as np
import pytest
import realdata
import write_cards

from verixplain.network.card import Card

pytestmark = pytest.mark.data
NAMES = sorted(realdata.entries())
LABELLED = [
    name
    for name in NAMES
    if "acc" in realdata.entries()[name] and realdata.entries()[name]["domain"] != "imagenet"
]


@pytest.mark.parametrize("name", NAMES)
def test_real_inputs_give_what_onnx_runtime_gives(name):
    real = realdata.real(name)
    found = real.network.compare(real.inputs[:20])
    assert found.points == min(20, len(real.inputs))
    assert found.agrees, found


@pytest.mark.parametrize("name", LABELLED)
def test_accuracy_is_the_one_that_was_measured(name):
    """So preprocessing, layout and order of columns are understood as they were meant."""
    real = realdata.real(name)
    right = real.network(real.inputs).argmax(axis=1) == real.labels
    assert right.mean() == pytest.approx(real.entry["acc"], abs=1.1 / len(right))


def test_photographs_are_recognised(data):
    real = realdata.real("squeezenet_v1.0_deepcompression")
    _, cat, espresso, *_ = real.network(real.inputs).argmax(axis=1)
    assert 281 <= cat <= 287  # the classes of cats
    assert espresso == 967


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_is_its_members_on_real_inputs(name):
    real = realdata.real(name)
    inputs = real.inputs[:3]
    together = real.network(inputs)
    alone = np.concatenate([real.network(one[None]) for one in inputs])
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-4 * np.abs(alone).max())


def test_cards_are_written_for_all_networks_and_can_be_read(tmp_path, data):
    paths = write_cards.write(tmp_path / "cards", data)
    assert sorted(path.stem for path in paths) == NAMES
    for path in paths:
        card = Card.read(path)
        assert card.layout
        assert card.provenance["source"]


def test_preprocessing_nobody_knows_is_refused():
    with pytest.raises(ValueError, match="no rule"):
        write_cards.preprocessing("x/128 - 1")
