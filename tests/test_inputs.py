from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from verixplain.errors import InputError
from verixplain.inputs import Address, InputFile
from verixplain.network.card import Card

BYTES = Card(layout="nchw", scale=1 / 255)
GENERATOR = np.random.default_rng(0)
DIGIT = GENERATOR.integers(0, 256, (28, 28), dtype=np.uint8)
PHOTO = GENERATOR.integers(0, 256, (32, 32, 3), dtype=np.uint8)


def open_one(path, shape, card=BYTES, raw=None):
    file = InputFile(str(path), shape, np.float32, card, raw)
    assert len(file) == 1
    return file.read(file.indices[0])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.npy", ("a.npy", None, None, None)),
        ("a.npz:x", ("a.npz", "x", None, None)),
        ("a.npz:x#3", ("a.npz", "x", 3, 4)),
        ("a.npz#0:5", ("a.npz", None, 0, 5)),
        ("a.npz#4:", ("a.npz", None, 4, None)),
        ("C:/folder/a.npy", ("C:/folder/a.npy", None, None, None)),
    ],
)
def test_an_address_is_path_key_and_slice(text, expected):
    found = Address.parse(text)
    assert (found.path, found.key, found.start, found.stop) == (Path(expected[0]), *expected[1:])


@pytest.mark.parametrize("text", ["a.npy#3:3", "a.npy#5:2", "a.npy#-1", ":key", "#3"])
def test_an_address_of_nothing_is_refused(text):
    with pytest.raises(InputError):
        Address.parse(text)


def test_a_path_that_exists_wins_over_the_syntax(tmp_path):
    odd = tmp_path / "a:b#1.npy"
    np.save(odd, np.zeros((1, 8, 8), np.float32))
    assert open_one(odd, (1, 8, 8)).values.shape == (1, 8, 8)


@pytest.mark.parametrize(
    ("shape", "layout"),
    [
        ((1, 28, 28), "nchw"),
        ((28, 28, 1), "nhwc"),
        ((784, 1), "flat"),
        ((784,), "flat"),
        ((28, 28), "hw"),
    ],
)
def test_a_grey_image_fits_every_layout(tmp_path, shape, layout):
    np.save(tmp_path / "digit.npy", DIGIT)
    found = open_one(tmp_path / "digit.npy", shape, Card(layout=layout, scale=1 / 255))
    assert found.values.shape == shape
    assert found.values.dtype == np.float32
    assert found.units == "raw"
    np.testing.assert_array_equal(found.values.ravel(), (DIGIT.ravel() * (1 / 255)).astype("f4"))


def test_a_colour_image_is_moved_to_channels_first_and_normalised(tmp_path):
    card = Card(layout="nchw", scale=1 / 255, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))
    np.save(tmp_path / "photo.npy", PHOTO)
    found = open_one(tmp_path / "photo.npy", (3, 32, 32), card).values
    expected = (PHOTO / 255 - [0.4, 0.5, 0.6]) / [0.2, 0.3, 0.4]
    np.testing.assert_allclose(found, expected.transpose(2, 0, 1), rtol=1e-6, atol=1e-6)


def test_a_colour_image_already_in_the_models_layout_stays(tmp_path):
    np.save(tmp_path / "photo.npy", PHOTO)
    found = open_one(tmp_path / "photo.npy", (32, 32, 3), Card(layout="nhwc")).values
    np.testing.assert_array_equal(found, PHOTO)


def test_floats_are_model_units_and_integers_raw_unless_told(tmp_path):
    np.save(tmp_path / "f.npy", np.full((1, 8, 8), 0.5))
    np.save(tmp_path / "i.npy", np.full((1, 8, 8), 255, np.uint8))
    card = Card(scale=1 / 255)
    assert open_one(tmp_path / "f.npy", (1, 8, 8), card).values.max() == 0.5
    assert open_one(tmp_path / "f.npy", (1, 8, 8), card).units == "model"
    assert open_one(tmp_path / "f.npy", (1, 8, 8), card, raw=True).values.max() == np.float32(
        0.5 / 255
    )
    assert open_one(tmp_path / "i.npy", (1, 8, 8), card).values.max() == 1.0
    assert open_one(tmp_path / "i.npy", (1, 8, 8), card, raw=False).values.max() == 255


def test_a_range_reads_its_inputs_with_their_labels(tmp_path):
    np.savez(
        tmp_path / "many.npz",
        images=np.arange(10)[:, None, None] + np.zeros((10, 8, 8), "u1"),
        labels=np.arange(10) % 3,
        origin=np.array(["a"] * 10),
    )
    file = InputFile(f"{tmp_path}/many.npz#2:5", (1, 8, 8), np.float32, Card())
    found = [file.read(index) for index in file.indices]
    assert [one.index for one in found] == [2, 3, 4]
    assert [one.label for one in found] == [2, 0, 1]
    assert [one.values.max() for one in found] == [2, 3, 4]
    assert found[0].source == "many.npz:images#2"


def test_one_input_of_a_table_has_the_networks_extra_dimensions(tmp_path):
    np.save(tmp_path / "acas.npy", np.arange(5.0))
    assert open_one(tmp_path / "acas.npy", (1, 1, 5), Card(layout="vec")).values.shape == (1, 1, 5)


def test_a_bad_input_does_not_spoil_its_neighbours(tmp_path):
    inputs = np.zeros((3, 4), np.float32)
    inputs[1, 2] = np.nan
    np.save(tmp_path / "x.npy", inputs)
    file = InputFile(f"{tmp_path}/x.npy", (4,), np.float32, Card())
    file.read(0)
    file.read(2)
    with pytest.raises(InputError, match=r"x.npy#1 is nan at \(2,\)"):
        file.read(1)


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "RGBA"])
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 28, 28)])
def test_pictures_become_grey_or_colour_as_the_network_takes_them(tmp_path, mode, shape):
    Image.fromarray(DIGIT).convert(mode).save(tmp_path / "digit.png")
    found = open_one(tmp_path / "digit.png", shape, Card(layout="nchw"))
    assert found.units == "raw"
    for channel in found.values:
        np.testing.assert_array_equal(channel, DIGIT)


def test_a_jpeg_is_read(tmp_path):
    Image.fromarray(PHOTO).save(tmp_path / "photo.jpg", quality=100)
    assert open_one(tmp_path / "photo.jpg", (3, 32, 32)).values.max() <= 1.0


def refused(path, shape=(1, 8, 8), card=BYTES):
    with pytest.raises(InputError) as caught:
        InputFile(str(path), shape, np.float32, card).read(0)
    return str(caught.value)


def test_a_picture_of_another_size_says_found_and_expected(tmp_path):
    Image.fromarray(np.zeros((10, 12), np.uint8)).save(tmp_path / "p.png")
    assert "10 rows by 12 columns; the network takes 8 by 8" in refused(tmp_path / "p.png")


def test_pictures_that_would_lose_something_are_refused(tmp_path):
    Image.fromarray(np.zeros((8, 8), np.uint16)).save(tmp_path / "deep.png")
    assert "8-bit grey or RGB" in refused(tmp_path / "deep.png")
    Image.fromarray(np.zeros((8, 8, 4), np.uint8)).save(tmp_path / "clear.png")
    assert "transparent" in refused(tmp_path / "clear.png")
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "p.png")
    assert "4 channels" in refused(tmp_path / "p.png", (4, 8, 8))
    assert "layout" in refused(tmp_path / "p.png", (64,), Card())


@pytest.mark.parametrize("kind", ["png", "jpg", "npy", "npz"])
@pytest.mark.parametrize(
    "content", [b"", b"nothing of the kind", b"\x93NUMPY\x01\x00", b"PK\x03\x04"]
)
def test_broken_files_are_refused(tmp_path, kind, content):
    path = tmp_path / f"broken.{kind}"
    path.write_bytes(content)
    assert "cannot read" in refused(path)


def test_a_cut_file_is_refused(tmp_path):
    for name, save in (("a.npy", np.save), ("a.npz", np.savez)):
        save(tmp_path / name, np.zeros((1, 8, 8)))
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(whole[: len(whole) // 2])
        assert "cannot read" in refused(tmp_path / name)


def test_pickles_are_never_opened(tmp_path):
    np.save(tmp_path / "object.npy", np.array([{}], dtype=object), allow_pickle=True)
    assert "pickles are never opened" in refused(tmp_path / "object.npy")
    np.savez(tmp_path / "object.npz", x=np.array([{}], dtype=object), allow_pickle=True)
    assert "pickles are never opened" in refused(f"{tmp_path}/object.npz:x")


def test_what_is_missing_is_named(tmp_path):
    np.savez(tmp_path / "two.npz", a=np.zeros((2, 1, 8, 8)), b=np.zeros((2, 1, 8, 8)))
    assert "no file" in refused(tmp_path / "absent.npy")
    assert "no file" in refused(tmp_path / "absent.png")
    assert "no file" in refused("x" * 5000 + ".npy")
    assert "no key 'c'" in refused(f"{tmp_path}/two.npz:c")
    assert "It has: a, b" in refused(tmp_path / "two.npz")
    assert "it has 2 inputs, 0 to 1" in refused(f"{tmp_path}/two.npz:a#7")
    assert "asks for more" in refused(f"{tmp_path}/two.npz:a#0:3")
    (tmp_path / "x.csv").touch()
    assert ".npy, .npz, .png" in refused(tmp_path / "x.csv")


def test_wrong_shapes_and_types_are_named(tmp_path):
    np.save(tmp_path / "wrong.npy", np.zeros((3, 7)))
    assert "has shape (3, 7); the network takes (1, 8, 8)" in refused(tmp_path / "wrong.npy")
    np.save(tmp_path / "words.npy", np.array(["a", "b"]))
    assert "not numbers" in refused(tmp_path / "words.npy")
    np.save(tmp_path / "empty.npy", np.zeros((0, 1, 8, 8)))
    assert "is empty" in refused(tmp_path / "empty.npy")
    np.save(tmp_path / "large.npy", np.full((1, 8, 8), 1e300))
    assert "too large" in refused(tmp_path / "large.npy")
    np.savez(tmp_path / "labels.npz", x=np.zeros((3, 1, 8, 8)), labels=np.zeros(2, int))
    assert "labels" in refused(tmp_path / "labels.npz")
