"""The public networks with real inputs, for tests and experiments: `real(name)`."""

import gzip
import os
import re
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import write_cards

from verixplain.inputs import InputFile
from verixplain.network import Network, load

DATA = Path(os.environ.get("VERIXPLAIN_DATA", write_cards.DATA))

INPUTS = {
    "mnist": "mnist_t10k_0-999.npz:images",
    "cifar10": "cifar10_test_open.npz:images",
    "gtsrb10": "gtsrb10_200.npz:images",
    "titanic": "titanic3.npz:X",
    "safenlp_ruarobot": "safenlp_ruarobot_200.npz:X",
    "rul20": "rul_w20.npz:X",
}


@dataclass(frozen=True, eq=False)
class Real:
    """A public network and real inputs for it.

    Args:
        entry: its entry in models.json.
        network: loaded, with its card.
        raw: inputs as stored, before anything is done to them.
        labels: their classes, or None where nobody knows them.
        inputs: (n, *input shape) in the model's units and type.
        source: where the inputs come from, in words.
    """

    entry: dict
    network: Network
    raw: np.ndarray
    labels: np.ndarray | None
    inputs: np.ndarray
    source: str


@cache
def entries(data: Path = DATA) -> dict[str, dict]:
    """The entries of models.json by name; empty where the data is not there."""
    if not (data / "models.json").is_file():
        return {}
    return {entry["name"]: entry for entry in write_cards.models(data)}


@cache
def real(name: str, count: int | None = None, data: Path = DATA) -> Real:
    """A network and its first `count` inputs (those of its measured accuracy by default)."""
    entry = entries(data)[name]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"{name}.toml")
        path.write_text(write_cards.card(entry, data), encoding="utf-8")
        network = load(data / entry["file"], card=path)
    count = entry["n"] if count is None else count
    if entry["domain"] == "acasxu":
        points = _in_property_boxes(data, count).astype(network.input_dtype)
        inputs = points.reshape(-1, *network.input_shape)
        return Real(entry, network, points, None, inputs, "points of the boxes of prop_1 to prop_4")
    if entry["domain"] == "imagenet":
        pictures = _photographs(data)[:count]
        laid = np.stack([network.card.to_model(one.transpose(2, 0, 1)) for one in pictures])
        return Real(
            entry, network, pictures, None, laid.astype(network.input_dtype), "skimage_photos"
        )
    where, key = INPUTS[entry["domain"]].split(":")
    path = data / "inputs" / where
    with np.load(path) as file:
        chosen = np.arange(len(file[key]))
        if "is_test" in file.files:  # accuracy was measured on these
            chosen = chosen[file["is_test"]]
        chosen = chosen[:count]
        raw = file[key][chosen]
        labels = file["labels"][chosen] if "labels" in file.files else None
    read = InputFile(f"{path}:{key}", network.input_shape, network.input_dtype, network.card)
    inputs = np.stack([read.read(int(k)).values for k in chosen])
    return Real(entry, network, raw, labels, inputs, where)


def _photographs(data: Path) -> np.ndarray:
    """Bytes in the order blue, green, red: short side 256, the middle 227 x 227."""
    from PIL import Image

    found = []
    for path in sorted((data / "inputs" / "skimage_photos").iterdir()):
        with Image.open(path) as picture:
            scale = 256 / min(picture.size)
            size = [round(n * scale) for n in picture.size]
            pixels = np.asarray(picture.convert("RGB").resize(size, Image.Resampling.BILINEAR))
        top, left = ((n - 227) // 2 for n in pixels.shape[:2])
        found.append(pixels[top : top + 227, left : left + 227, ::-1])
    return np.stack(found)


def _in_property_boxes(data: Path, count: int) -> np.ndarray:
    """Seeded points of the input boxes of the first ACAS Xu properties, in turn."""
    rng = np.random.default_rng(0)
    boxes = []
    for number in (1, 2, 3, 4):
        path = data / "specs" / "acasxu" / f"prop_{number}.vnnlib.gz"
        words = gzip.decompress(path.read_bytes()).decode()
        ends = {"<=": np.zeros(5), ">=": np.zeros(5)}
        for sign, place, value in re.findall(r"\(assert \((<=|>=) X_(\d) (\S+)\)\)", words):
            ends[sign][int(place)] = float(value)
        boxes.append((ends[">="], ends["<="]))
    return np.stack([rng.uniform(*boxes[k % len(boxes)]) for k in range(count)])
