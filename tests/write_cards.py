"""Write a TOML card for every public network from its `models.json`.

    python tests/write_cards.py OUT [--data ../shared/data]

Card and network have one name; `verixplain explain MODEL.onnx INPUT --card OUT/NAME.toml` uses it.
"""

import argparse
import json
import re
from pathlib import Path

import numpy as np

BYTE = 0.00392156862745098
"""1/255: the float64 nearest to it."""

DATA = Path(__file__).parents[2] / "shared" / "data"

TABLES = {
    "acasxu": ("distance", "angle", "heading", "own speed", "intruder speed"),
}
CLASSES = {
    "acasxu": ("clear of conflict", "weak left", "weak right", "strong left", "strong right"),
    "titanic": ("died", "survived"),
    "cifar10": (
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    ),
    "mnist": tuple("0123456789"),
}
KINDS = {"acasxu": "scores-min", "rul20": "value"}


def models(data: Path) -> list[dict]:
    """The entries of models.json."""
    return json.loads((data / "models.json").read_text(encoding="utf-8"))


def preprocessing(words: str) -> dict:
    """What the words of models.json mean: keys of a card's [input].

    Raises:
        ValueError: words nobody taught this function.
    """
    if words == "none (use as stored)":
        return {"units": "as stored"}
    number = r"([0-9.]+)"
    if words == "x/255 in [0,1]":
        return {"scale": BYTE, "range": [0.0, 1.0], "units": "bytes, 0 to 255"}
    if found := re.fullmatch(rf"\(x/255-{number}\)/{number}", words):
        mean, std = ([float(part)] for part in found.groups())
    elif found := re.fullmatch(r"\(x/255-mean\)/std, mean ([0-9. ]+), std ([0-9. ]+)", words):
        mean, std = ([float(one) for one in part.split()] for part in found.groups())
    elif words.endswith("BGR, minus (104,117,123), 0..255 scale"):
        return {
            "mean": [104.0, 117.0, 123.0],
            "range": [0.0, 255.0],
            "units": "bytes, 0 to 255, channels blue, green, red",
        }
    else:
        raise ValueError(f"no rule for the preprocessing {words!r}")
    return {
        "scale": BYTE,
        "mean": mean,
        "std": std,
        "range": [0.0, 1.0],
        "units": "bytes, 0 to 255",
    }


def card(model: dict, data: Path) -> str:
    """The card of one entry, as TOML."""
    domain = model["domain"]
    layout = model["layout"]
    given = {"layout": layout, **preprocessing(model["preprocessing"])}
    if domain == "titanic":
        with np.load(data / "inputs" / "titanic3.npz") as file:
            given["names"] = [str(name) for name in file["feature_names"]]
    elif domain in TABLES:
        given["names"] = list(TABLES[domain])
    output: dict = {"kind": KINDS.get(domain, "classes")}
    if domain in CLASSES:
        output["names"] = list(CLASSES[domain])
    provenance = {key: model[key] for key in ("source", "licence", "acc") if key in model}
    lines = [f"# {model['name']}"]
    for title, section in (("input", given), ("output", output), ("provenance", provenance)):
        lines += ["", f"[{title}]"]
        lines += [f"{key} = {_toml(value)}" for key, value in section.items()]
    return "\n".join(lines) + "\n"


def _toml(value) -> str:
    """Strings, numbers and lists of them: JSON and TOML write them alike."""
    return json.dumps(value)


def write(folder: Path, data: Path = DATA) -> list[Path]:
    """Write all cards; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for model in models(data):
        paths.append(folder / f"{model['name']}.toml")
        paths[-1].write_text(card(model, data), encoding="utf-8")
    return paths


def main() -> None:
    """Write the cards where the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="folder for the cards")
    parser.add_argument("--data", type=Path, default=DATA, help="folder with models.json")
    given = parser.parse_args()
    for path in write(given.out, given.data):
        print(path)


if __name__ == "__main__":
    main()
