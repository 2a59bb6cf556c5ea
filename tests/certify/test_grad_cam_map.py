"""GradCAM's map over boxes, judged in rationals: rounding included, without tolerance."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from networks import cnn, loaded
from oracle import corners, exact_values

from certify.map_cases import inside, query, search
from verixplain.certify.maps import grad_cam
from verixplain.query import Box


def bilinear(size: int, wanted: int) -> list[list[Fraction]]:
    """Weights of a row of `size` numbers at each of `wanted` places (align_corners=False)."""
    weights = []
    for place in range(wanted):
        at = max(Fraction(2 * place + 1, 2) * Fraction(size, wanted) - Fraction(1, 2), Fraction(0))
        first = min(int(at), size - 1)
        share = at - first
        row = [Fraction(0)] * size
        row[first] += 1 - share
        row[min(first + 1, size - 1)] += share
        weights.append(row)
    return weights


def exact_map(one, point: np.ndarray, label: int) -> np.ndarray:
    """The map in rationals, where nothing but a linear layer comes after the watched one."""
    network = one.query.network
    shape = network.plan.shapes[one.map.value]
    activations = exact_values(network.plan, point)[one.map.value].reshape(shape)
    slopes = network.graph.constants["w"][label].astype(float).reshape(shape)
    coarse = np.full(shape[1:], Fraction(0), dtype=object)
    for slope, activation in zip(slopes, activations, strict=True):
        mean = sum((Fraction(v) for v in slope.ravel()), Fraction(0)) / slope.size
        coarse = coarse + mean * activation
    coarse = np.vectorize(lambda v: max(v, Fraction(0)), otypes=[object])(coarse)
    height, width = point.shape[-2:]
    down = np.array(bilinear(shape[1], height), dtype=object)
    across = np.array(bilinear(shape[2], width), dtype=object)
    return down @ coarse @ across.T


CASES = [(size, seed) for size in (5, 8) for seed in range(4)]


def watching(size: int, seed: int, radius: float):
    network = loaded(cnn((1, 2, 3), size, seed=seed))
    x = np.random.default_rng(seed).uniform(0, 1, network.input_shape).astype("f4")
    box = Box.around(x, radius)
    label = int(network(x[None])[0].argmax())
    return search(query(network, box, label), "grad-cam"), box, label


@pytest.mark.parametrize("radius", [0.0, 0.02, 0.3])
@pytest.mark.parametrize(("size", "seed"), CASES)
def test_exact_maps_lie_inside(size, seed, radius):
    one, box, label = watching(size, seed, radius)
    found = one.region((box.lower, box.upper))[0]
    for point in [box.center, *list(corners(box, 2, seed))[:2]]:
        assert inside(found.lower, found.upper, list(exact_map(one, point, label).ravel()))


def test_the_slack_alone_covers_interpolation(monkeypatch):
    """Of a coarse map that is a point, in rationals; without the slack it does not."""
    one = watching(8, 0, 0.0)[0]
    rows, columns = one.map.slopes.engine.exact.shapes[one.map.value][1:]
    outside = []
    for slack in (grad_cam._SPREAD, 0.0):
        monkeypatch.setattr(grad_cam, "_SPREAD", slack)
        outside.append(0)
        for seed in range(50):
            coarse = np.random.default_rng(seed).uniform(0, 1, (rows, columns))
            laid = one.map._spread(*[torch.as_tensor(coarse)[None]] * 2, torch.Size((1, 8, 8)))
            exact = np.vectorize(Fraction, otypes=[object])(coarse)
            down, across = (np.array(bilinear(n, 8), dtype=object) for n in (rows, columns))
            truth = list((down @ exact @ across.T).ravel())
            outside[-1] += not inside(laid.lower, laid.upper, truth)
    assert outside[0] == 0
    assert outside[1] > 0
