"""Explanations with made-up but consistent numbers, for what writes and shows them."""

import numpy as np

import verixplain
from verixplain import models
from verixplain.explanation import Explanation, Order, Overlaps, TopK
from verixplain.features import Groups
from verixplain.network.card import Card
from verixplain.query import Box, Query, Target


def digit(number: int = 3) -> np.ndarray:
    with np.load(models.folder() / "digits_inputs.npz") as archive:
        return archive["inputs"][number]


def made_up(kind: str = "grid", verified: bool = True) -> Explanation:
    """`kind` is pixels, grid, holes (inputs of no group), or columns (a table)."""
    network = verixplain.load(models.find("digits_mlp"))
    shape = network.input_shape
    if kind == "columns":
        network.card = Card(layout="vec", names=tuple(f"feature {k}" for k in range(64)))
        groups = Groups.columns(shape, {f"<feature & {k}>": [k] for k in range(64)})
    elif kind == "holes":
        labels = np.arange(64).reshape(8, 8) // 16 - 1
        groups = Groups.labels(shape, labels)
    else:
        groups = Groups.pixels(shape) if kind == "pixels" else Groups.grid(shape, 3, 4)
    box = Box.around(digit(), 0.1, (0.0, 1.0))
    query = Query(network, box, Target.label(3), groups)
    count = len(groups)
    generator = np.random.default_rng(0)
    lower = np.sort(generator.uniform(-6, -1, count))[generator.permutation(count)]
    upper = np.minimum(lower + generator.uniform(0.05, 0.6, count), -0.2)
    above = upper[:, None] < lower[None]
    if not verified:
        scores = generator.normal(size=count)
        return Explanation(query, "saliency", "none", scores, timing={"total": 0.01})
    witness = np.stack([box.freeze(members).upper for members in groups.members])
    return Explanation(
        query,
        "eva",
        "estimate",
        -0.1 - upper,
        settings={"bound": "crown", "dtype": "float64", "device": "cpu", "seed": 0, "steps": 20},
        bound="crown",
        engine="per-group",
        overlaps=Overlaps(-0.5, -0.1, lower, upper, box.upper, witness),
        order=Order(above),
        top_k=TopK(3, "unknown", tuple(int(n) for n in np.argsort(upper)[:3])),
        timing={"bounds": 0.5, "attack": 0.1, "total": 0.6},
        notes=("a made-up explanation <for tests>",),
    )
