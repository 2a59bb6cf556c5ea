"""Gradients and gains against exact rationals, by the mean value theorem.

For two points of the box, row(y) - row(x) is (y - x) times a gradient that must lie in the
enclosure; and wherever a worst point of B_u is, some move of u, with v given up, must gain what
was promised.
"""

from collections.abc import Iterator
from fractions import Fraction
from importlib import import_module
from itertools import product

import numpy as np

from .exact import Exact, Run, fractions
from .hostile import hostile_box, hostile_model
from .oracle import MATRIX, random_recipe

DIGITS = Fraction(1, 10**50)
"""What the oracle's own logistic function and square root, of 60 digits, may be off by."""


def wrong_gradients(package: str, seed: int, count: int) -> Iterator[str]:
    """Every exact statement that the enclosures or gains of `package` contradict."""

    def checker(name: str):
        return import_module(f"{package}.{name}")

    with np.errstate(all="ignore"):
        for number in range(count):
            rng = np.random.default_rng([seed, number])
            try:
                yield from _one(checker, rng, number)
            except checker("reasons").Refusal as refusal:
                if number % 5 != 1:  # huge numbers are refused
                    yield f"{number}: refused: {refusal.detail}"


def _one(checker, rng, number: int) -> Iterator[str]:
    model, shape = hostile_model(rng, number)
    center, lower, upper = (a.astype(np.float64) for a in hostile_box(rng, int(np.prod(shape))))
    network = checker("operators").build(checker("wire").read_model(model))
    n = len(center)
    places = rng.permutation(n)
    groups = [places[: n // 2][:2], places[n // 2 :][:3]]
    free = np.ones((n, 3))
    for place, group in enumerate(groups, start=1):
        free[group, place] = 0.0
    region = checker("regions").Region.of(center, lower, upper, free)
    recipe = random_recipe(checker, rng, network)
    bounder = checker("passes").Bounder(network, recipe, False)
    row, state = number % 3, bounder.region(region)
    found = checker("faces").faces(bounder, region, state, MATRIX[row], row, recipe.rounds)

    def value(x: np.ndarray) -> Fraction:
        return fractions(MATRIX[row]).dot(Run(model, x.reshape(shape), Exact()).output)

    for where, known in [(region, state), *((face.region, face.state) for face in found)]:
        gradient = checker("gradients").gradient(network, known, MATRIX[row])
        gained = checker("exchange").gains(gradient, where, np.array([[0, 1], [1, 0]]))
        low, high = where.whole
        for _ in range(3):
            x, y = (np.where(rng.random(n) < 0.5, low, high) for _ in range(2))
            y = np.clip(y + rng.random(n) * (high - low), low, high)
            step = fractions(y) - fractions(x)
            if not _within(gradient, step, value(y) - value(x)):
                yield f"{number}: gradient of row {row}"
        for (u, v), least in zip(((0, 1), (1, 0)), gained, strict=True):
            worst = np.where(rng.random(n) < 0.5, where.lower, where.upper)
            worst[groups[u]] = center[groups[u]]
            before, best = value(worst), None
            for ends in product((low, center, high), repeat=len(groups[u])):
                moved = worst.copy()
                moved[groups[v]] = center[groups[v]]
                for place, end in zip(groups[u], ends, strict=True):
                    moved[place] = end[place]
                rise = value(moved) - before
                best = rise if best is None else max(best, rise)
            if best is not None and best + DIGITS < Fraction(least):
                yield f"{number}: gain of row {row}"


def _within(gradient, step: np.ndarray, rise: Fraction) -> bool:
    """Whether some gradient of the zonotope, and one of the interval, gives this rise."""
    center, rest = fractions(gradient.center), fractions(gradient.rest)
    reach = sum((abs(fractions(one).dot(step)) for one in gradient.symbols()), Fraction(0))
    reach += rest.dot(abs(step))
    low, high = fractions(gradient.low), fractions(gradient.high)
    up = np.where(step > 0, high, low).dot(step)
    down = np.where(step > 0, low, high).dot(step)
    return abs(rise - center.dot(step)) <= reach + DIGITS and down - DIGITS <= rise <= up + DIGITS


def wrong_gains(package: str, seed: int, count: int) -> Iterator[str]:
    """Gains of made-up gradients whose sums cancel, above the exact value of their own formula."""
    gradients, rows = (import_module(f"{package}.{name}") for name in ("gradients", "rows"))
    exchange, regions = (import_module(f"{package}.{name}") for name in ("exchange", "regions"))
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        n, symbols = 8, int(rng.integers(0, 4))
        center = np.repeat(rng.standard_normal(n // 2) * 2.0 ** rng.integers(0, 30, n // 2), 2)
        center[1::2] *= 1 + 2.0**-52 * rng.integers(0, 3, n // 2)
        parts = {0: rows.Rows(center[None])}
        if symbols:
            parts[5] = rows.Rows(rng.standard_normal((symbols, n)) * 2.0**-20)
        rest = np.full(n, 2.0**-60)
        wide = np.full(n, 2.0**40)
        found = gradients.Gradient(parts, rest, -wide, wide)
        middle = rng.integers(-8, 8, n) / 8.0
        region = regions.Region.of(middle, middle - 0.1, middle + 0.1, np.ones((n, 3)))
        region.free[0::2, 1] = region.free[1::2, 2] = 0.0
        pairs = np.array([[0, 1], [1, 0]])
        for (u, _), gained in zip(pairs, exchange.gains(found, region, pairs), strict=True):
            if Fraction(gained) > _most_sure(found, region, u):
                yield f"{number}: gain of {u}"


def _most_sure(found, region, u: int) -> Fraction:
    """No move of u is sure to gain more: at the gradient C, against the best of v's moves."""
    ends = [fractions(e) - fractions(region.center) for e in (region.lower, region.upper)]
    center, own = fractions(found.center), region.free[:, 1 + u] == 0
    best = np.maximum(center * ends[0], center * ends[1])
    return best[own].sum() - best[~own].sum()
