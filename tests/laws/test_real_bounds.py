"""Ten thousand points per network and group set, and none above the bound of its sub-box.

Sampled points, corners, points near the center and attacked ones are evaluated in float64 in one
batch; the largest of every sub-box, and whatever seems to exceed its bound, are evaluated again
rigorously, and that is what is compared, without a tolerance.
"""

import numpy as np
import pytest
import realdata
import torch

from verixplain.attack.pgd import PGD
from verixplain.attribution.eva import EVA, frozen_boxes
from verixplain.bounds import lower_at
from verixplain.features import Groups
from verixplain.query import Box, Query, Target

pytestmark = pytest.mark.data
POINTS, AGAIN = 10_000, 20
CASES = {
    "mnist-net_256x2": (0.01, "grid:4x4"),
    "wong_mnist": (0.1, "grid:7x7"),
    "eran_convSmallRELU__PGDK": (0.05, "grid:4x4"),
    "verix_mnist-10x2": (0.05, "grid:4x4"),
    "marabou_mnist5x20_leaky_relu": (0.02, "grid:4x4"),
    "cifar_base_kw": (2 / 255, "grid:4x4"),
    "captum_titanic": (0.5, "columns"),
}


def question(name: str) -> Query:
    real = realdata.real(name, 20)
    network, card = real.network, real.network.card
    radius, words = CASES[name]
    scaled = radius if card.range is None else card.radius(radius, network.input_shape)
    center = real.inputs[3].astype(float)
    groups = Groups.columns(network.input_shape)
    if words.startswith("grid"):
        rows, columns = map(int, words.removeprefix("grid:").split("x"))
        groups = Groups.grid(network.input_shape, rows, columns, card.layout)
    label = int(network(real.inputs[3:4])[0].argmax())
    return Query(network, Box.around(center, scaled), Target.label(label), groups)


def points_of(query: Query, count: int, seed: int):
    """For every sub-box (and first the box): points of it, (count, *input shape)."""
    rng = np.random.default_rng(seed)
    low, high = frozen_boxes(query, 0, len(query.groups))
    low, high = (
        np.concatenate([query.box.lower[None], low]),
        np.concatenate([query.box.upper[None], high]),
    )
    held = np.concatenate([np.zeros((1, query.box.center.size), bool), query.groups.memberships()])
    attacks = [PGD(steps=8, restarts=1, seed=k).run(query, held).points for k in range(4)]
    for number, (lowest, highest) in enumerate(zip(low, high, strict=True)):
        share = rng.random((count, *lowest.shape))
        share[: count // 2] = share[: count // 2].round()  # corners
        drawn = lowest + share * (highest - lowest)
        attacked = [attack[number].astype(float) for attack in attacks]
        yield np.clip(np.concatenate([drawn, attacked]), lowest, highest)


@pytest.mark.parametrize("name", sorted(CASES))
def test_no_point_of_a_sub_box_exceeds_its_bound(name, data):
    query = question(name)
    network, matrix = query.network, query.target.matrix(query.network.outputs)[0]
    found = [
        EVA(bound=bound, engine=engine, steps=5, restarts=1).explain(query).overlaps
        for bound, engine in (("crown", "parent"), ("crown-ibp", "per-group"))
    ]
    uppers = np.array([[one.upper, *one.group_upper] for one in found]).min(axis=0)
    tried = 0
    rows = torch.from_numpy(matrix)
    each = -(-POINTS // len(uppers))
    for upper, points in zip(uppers, points_of(query, each, 0), strict=True):
        with torch.no_grad():
            values = (network.forward(torch.from_numpy(points)) @ rows.T).amax(1).numpy()
        tried += len(points)
        again = np.union1d(np.argsort(values)[-AGAIN:], np.flatnonzero(values > upper))
        rigorous = lower_at(network, points[again], query.target).max(axis=1)
        assert (rigorous <= upper).all()
    assert tried >= POINTS
