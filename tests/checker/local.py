"""One piece at a time, in exact rationals: nothing later can hide an error term that is missing.

A backward step promises `L z <= total + errors + L' h` for every h in the box. Both sides are
evaluated exactly at corners of the box, on numbers chosen to cancel.
"""

from collections.abc import Iterator
from fractions import Fraction
from importlib import import_module

import numpy as np
from onnx import helper

from .exact import Deployed, Exact, Run, fractions
from .hostile import Writer


def _numbers(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Numbers of all sizes whose sums cancel."""
    found = rng.standard_normal(shape) * 2.0 ** rng.integers(-20, 20, shape)
    if shape[-1] > 1:
        found[..., 1::2] = -found[..., :-1:2][..., : found[..., 1::2].shape[-1]]
        found *= 1 + 2.0**-20 * rng.standard_normal(shape)
    return found


def _one_piece(rng: np.random.Generator, way: int) -> tuple[bytes, tuple]:
    w = Writer(rng, "plain")

    def numbers(*shape):
        return w.constant(_numbers(rng, *shape).astype(np.float32))

    flat, image = (1, 6), (1, 2, 3, 3)
    if way == 0:
        return w.model(flat, w.node("Gemm", ["x", numbers(6, 4), numbers(4)])), flat
    if way == 1:
        kernel, bias = numbers(3, 2, 2, 2), numbers(3)
        return w.model(image, w.node("Conv", ["x", kernel, bias], pads=[1, 0, 0, 1])), image
    if way == 2:
        return w.model(flat, w.node("Div", ["x", numbers(6)])), flat
    if way == 3:
        positive = w.constant(np.abs(_numbers(rng, 6)) + 0.01)
        inputs = ["x", numbers(6), numbers(6), numbers(6), positive]
        return w.model(flat, w.node("BatchNormalization", inputs, epsilon=1e-5)), flat
    if way == 4:
        pool = {"kernel_shape": [2, 2], "strides": [1, 1], "pads": [0, 0, 0, 0]}
        return w.model(image, w.node("MaxPool", ["x"], **pool)), image
    if way == 5:
        pool = {"kernel_shape": [2, 2], "strides": [1, 1], "pads": [1, 1, 0, 0]}
        return w.model(image, w.node("AveragePool", ["x"], **pool)), image
    if way == 6:
        turned = w.node("Reshape", ["x", w.constant([1, 2, 3], np.int64)])
        turned = w.node("Transpose", [turned], perm=[0, 2, 1])
        turned = w.node("Flatten", [turned])
        return w.model(flat, w.node(str(rng.choice(["Add", "Sub"])), ["x", turned])), flat
    if way == 7:
        first = w.node("Gemm", ["x", numbers(6, 6)])
        return w.model(flat, w.node("Add", [first, numbers(6)])), flat
    if way == 12:  # nothing but the step to the box
        return w.model(flat, w.node("Reshape", ["x", w.constant([1, 3, 2], np.int64)])), flat
    operator = ["Relu", "LeakyRelu", "Sigmoid", "Tanh"][way - 8]
    attributes = {"alpha": 0.3} if operator == "LeakyRelu" else {}
    flat = (1, 150) if operator == "Relu" else flat  # a sum long enough to need its own error
    w.nodes.append(helper.make_node(operator, ["x"], ["a"], **attributes))
    w.nodes.append(helper.make_node("Identity", ["a"], ["b"]))
    return w.model(flat, "b"), flat


def wrong_pieces(package: str, seed: int, count: int) -> Iterator[str]:
    """Steps whose promise does not hold at some point."""

    def checker(name: str):
        return import_module(f"{package}.{name}")

    for number in range(count):
        rng, way = np.random.default_rng([seed, number]), number % 13
        model, shape = _one_piece(rng, way)
        with np.errstate(all="ignore"):
            float32 = number % 2 == 1
            label = f"piece {way}, number {number}"
            yield from _steps(checker, rng, label, model, shape, float32)


def _steps(checker, rng, label: str, model: bytes, shape: tuple, float32: bool) -> Iterator[str]:
    network = checker("operators").build(checker("wire").read_model(model))
    n, m = network.size(0), network.size(len(network.pieces))
    center = _numbers(rng, n) if n < 100 else rng.standard_normal(n)
    wide = rng.choice([0.0, 0.0, 1e-9, 1.0, 3e5], n) * np.abs(center)
    ends = [(center + s * wide)[None] for s in (-1, 1)]
    if float32:
        center, ends = (np.asarray(a, np.float32).astype(np.float64) for a in (center, ends))
    bounder = checker("passes").Bounder(network, checker("passes").Recipe(), float32)
    state = bounder.forward(center[None], *ends)
    rows = checker("rows").Rows(_numbers(rng, 12, m))
    none, zero = np.zeros(12, np.int64), np.zeros(12)

    def adaptive(index, at, slopes, is_open, kink):
        return slopes

    sweep = checker("pieces").Sweep(state, none, adaptive, zero, zero, zero, zero)
    sweep.rows[len(network.pieces)] = rows
    for index in range(len(network.pieces), 0, -1):
        network.pieces[index - 1].backward(index, sweep.rows.pop(index), sweep)
    known = fractions(sweep.total) + fractions(sweep.error) * Fraction(1 + 1e-6)
    known += fractions((sweep.terms + 1) * 2.0**-53 * sweep.size) + Fraction(1e-200)
    if float32:
        known += fractions(sweep.executed) * Fraction(1 + 1e-6)
    reached = fractions(sweep.reach(None)[int(float32)][:, 0])
    exact_rows, exact_moved = fractions(rows.numbers), fractions(sweep.rows[0].dense().numbers)
    for _ in range(3):
        x = np.where(rng.random(n) < 0.5, ends[0][0], ends[1][0])
        run = Run(model, x.reshape(shape), Deployed(rng) if float32 else Exact())
        left, right = exact_rows.dot(run.output), known + exact_moved.dot(fractions(x))
        if any(a > b for a, b in zip(left, right, strict=True)):
            yield label
        if any(a > b for a, b in zip(left, reached, strict=True)):
            yield f"{label}: reach"
        low, high = fractions(state.lower[-1][0]), fractions(state.upper[-1][0])
        if any(not a <= v <= b for a, v, b in zip(low, run.output, high, strict=True)):
            yield f"{label}: interval"
