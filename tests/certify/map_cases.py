"""Maps of small networks in rationals, and searches about them, for the tests of map claims."""

from fractions import Fraction

import numpy as np
from networks import model
from onnx import helper
from oracle import exact_gradients

from verixplain.attribution.eva import EVA
from verixplain.certify.budget import Budget
from verixplain.certify.claim import Task
from verixplain.certify.maps._search import MapSearch
from verixplain.features import Groups
from verixplain.network import Network
from verixplain.query import Box, Query, Target
from verixplain.registry import methods

SMALL = {
    "saliency": {},
    "gradient-times-input": {},
    "integrated-gradients": {"steps": 3},
    "smoothgrad": {"samples": 3},
    "bsm": {"attacks": "deepfool", "steps": 10, "bound": "none"},
}


def piecewise(first, bias, last, end=(0.0, 0.0)):
    """`last @ relu(first @ x + bias) + end`, as an ONNX model."""
    constants = {
        "w": np.array(first, "f4"), "b": np.array(bias, "f4"),
        "v": np.array(last, "f4"), "e": np.array(end, "f4"),
    }  # fmt: skip
    nodes = [
        helper.make_node("Gemm", ["x", "w", "b"], ["s"], "first", transB=1),
        helper.make_node("Relu", ["s"], ["a"], "relu"),
        helper.make_node("Gemm", ["a", "v", "e"], ["y"], "last", transB=1),
    ]
    return model(nodes, constants, ("batch", constants["w"].shape[1]))


def query(network: Network, box: Box, label: int = 0, groups: Groups | None = None) -> Query:
    return Query(network, box, Target.label(label), groups)


def task(asked: Query, budget: str = "", **settings) -> Task:
    method = EVA(device="cpu", **settings)
    return Task(asked, method, Budget(budget), lambda stage, done, count: None)


def search(asked: Query, name: str, k: int = 1, budget: str = "", **settings) -> MapSearch:
    return MapSearch(task(asked, budget), methods[name](device="cpu", **settings), k)


def exact_map(one: MapSearch, point: np.ndarray, label: int = 0) -> list[Fraction]:
    """The method's map of output `label` at a point of the box, in rationals."""
    network, method, name = one.query.network, one.map.method, one.map.method.name
    x = np.array([Fraction(float(v)) for v in point.ravel()], dtype=object)

    def slope(at: np.ndarray) -> np.ndarray:
        return exact_gradients(network, at.reshape(point.shape))[label]

    if name == "saliency":
        return list(slope(x))
    if name == "gradient-times-input":
        return list(x * slope(x))
    if name == "integrated-gradients":
        m, start = method.steps, Fraction(float(method.baseline))
        places = [Fraction(float(t)) for t in one.map.places]
        weights = [Fraction(float(w)) for w in one.map.weights]
        if method.rule == "midpoint":
            places = [Fraction(2 * k + 1, 2 * m) for k in range(m)]
        if method.rule in ("midpoint", "left", "right"):
            weights = [Fraction(1, m)] * m
        parts = [w * slope(start + t * (x - start)) for t, w in zip(places, weights, strict=True)]
        return list((x - start) * sum(parts))
    assert name == "smoothgrad"
    offsets = [to_fractions(p) - to_fractions(one.center) for p in one.map.points.numpy()]
    return list(sum(slope(x + offset) for offset in offsets) / Fraction(len(offsets)))


def to_fractions(values: np.ndarray) -> np.ndarray:
    return np.array([Fraction(float(v)) for v in np.ravel(values)], dtype=object)


def inside(lower, upper, scores: list[Fraction]) -> bool:
    """Whether every score lies between its ends, exactly."""
    ends = zip(np.ravel(lower).tolist(), scores, np.ravel(upper).tolist(), strict=True)
    return all(Fraction(a) <= s <= Fraction(b) for a, s, b in ends)
