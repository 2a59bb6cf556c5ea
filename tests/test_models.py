import hashlib
import tomllib

import numpy as np
import pytest

import verixplain
from verixplain import models
from verixplain.errors import InputError

NAMES = ("digits_cnn", "digits_mlp", "digits_robust")


def test_the_folder_is_found_from_this_checkout():
    assert models.find("digits_mlp").is_file()


def test_the_copy_in_a_wheel_comes_first(tmp_path, monkeypatch):
    copied, checkout = tmp_path / "_models", tmp_path / "models"
    for place in (copied, checkout):
        place.mkdir()
        (place / "digits_inputs.npz").touch()
    monkeypatch.setattr(models, "_PLACES", (copied, checkout))
    assert models.folder() == copied
    (copied / "digits_inputs.npz").unlink()
    assert models.folder() == checkout


def test_an_installation_without_models_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(models, "_PLACES", (tmp_path,))
    with pytest.raises(InputError, match="reinstall verixplain"):
        models.folder()


def test_an_unknown_model_lists_the_known_ones():
    with pytest.raises(InputError, match="digits_cnn, digits_mlp, digits_robust"):
        models.find("digits_vit")


@pytest.mark.parametrize("name", NAMES)
def test_the_card_has_the_hash_of_its_file(name):
    path = models.find(name)
    card = tomllib.loads(path.with_suffix(".toml").read_text(encoding="utf-8"))
    assert card["provenance"]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_folder_is_small():
    assert sum(path.stat().st_size for path in models.folder().iterdir()) < 300_000


@pytest.mark.parametrize("name", NAMES)
def test_every_embedded_input_is_classified_correctly(name):
    network = verixplain.load(models.find(name))
    with np.load(models.folder() / "digits_inputs.npz") as archive:
        inputs, labels = archive["inputs"], archive["labels"]
    assert inputs.shape == (20, 1, 8, 8)
    assert inputs.dtype == np.float32
    assert inputs.min() >= 0
    assert inputs.max() <= 1
    assert (network(inputs).argmax(axis=1) == labels).all()
    assert network.parity.agrees
