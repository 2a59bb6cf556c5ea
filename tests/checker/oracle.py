"""The judge of the checker: exact rationals over hostile networks.

`violations(package, seed, count)` runs the checker of `package` (the real one, or a mutant) and
yields every exact statement it contradicts.
"""

from collections.abc import Iterator
from fractions import Fraction
from importlib import import_module

import numpy as np

from .exact import Deployed, Exact, Run, fractions
from .hostile import hostile_box, hostile_model

MATRIX = np.array([[1.0, -1.0, 0.0], [0.0, 1.0, -1.0], [-0.5, 0.0, 3.0]])
OFFSET = np.array([0.0, 0.25, -1.0 / 3.0])


def corners(rng, center, lower, upper, slope, all_of_them: bool) -> Iterator[np.ndarray]:
    """Points of the box: ends along a slope (the maximum of a linear row), then others."""
    for row in slope:
        yield np.where(row > 0, upper, lower)
    if all_of_them:
        yield from (center, lower, upper)
        yield np.where(rng.random(len(center)) < 0.5, lower, upper)
        inside = (lower + (upper - lower) * rng.random(len(center))).astype(np.float32)
        yield np.clip(inside, lower, upper)


def random_recipe(checker, rng, network):
    """Random slopes, and random neurons refined: all of it is advice."""
    passes, lines, pieces = checker("passes"), checker("lines"), checker("pieces")
    refine, slopes = {}, {}
    layers = sorted(set(network.layers.values()))
    for layer in layers:
        source = network.pieces[layer - 1].sources[0]
        way = rng.random()
        if way < 0.35:
            refine[layer] = None
        elif way < 0.6:
            refine[layer] = np.flatnonzero(rng.random(network.size(source)) < 0.5)
    for layer in layers:
        piece = network.pieces[layer - 1]
        if isinstance(piece, pieces.Activation) and isinstance(piece.function, lines.Kinked):
            n = network.size(piece.sources[0])
            for target in [t for t in layers if t > layer] + [-1]:
                if rng.random() < 0.5:
                    size = 3 if target < 0 else network.size(network.pieces[target - 1].sources[0])
                    shares = tuple(rng.integers(0, 256, (size, n)) / 255.0 for _ in range(2))
                    slopes[target, layer] = passes.Slopes(np.arange(n), np.arange(size), shares)
    return passes.Recipe(refine, slopes, int(rng.integers(0, 3)))


def random_tree(checker, rng, network, recipe):
    """A random tree over neurons with a kink, passes for all, random multipliers and slopes."""
    lines, pieces = checker("lines"), checker("pieces")
    sources = [
        (layer, piece.sources[0])
        for layer in sorted(set(network.layers.values()))
        if isinstance(piece := network.pieces[layer - 1], pieces.Activation)
        and isinstance(piece.function, lines.Kinked)
    ]
    if not sources or rng.random() < 0.5:
        return None
    leaves = [{}]
    for _ in range(rng.integers(1, 4)):
        leaf = leaves.pop(rng.integers(len(leaves)))
        _, value = sources[rng.integers(len(sources))]
        neuron = value, int(rng.integers(network.size(value)))
        leaves += [{**leaf, neuron: s} for s in (1, -1)] if neuron not in leaf else [leaf]
    passes = [(k, row, at) for k in range(len(leaves)) for row in range(3) for at in range(3)]
    shape = (len(passes), max(map(len, leaves)))
    beta = rng.random(shape) * 10.0 ** rng.integers(-6, 4, shape) * (rng.random(shape) < 0.7)
    for layer, value in sources:
        n = network.size(value)
        shares = rng.integers(0, 256, (len(passes), n)) / 255.0
        slopes = checker("passes").Slopes(np.arange(n), np.arange(len(passes)), (shares, shares))
        recipe.slopes[checker("passes").TREE, layer] = slopes
    return checker("tree").Tree(leaves, np.array(passes), beta)


def violations(package: str, seed: int, count: int) -> Iterator[str]:
    """Every exact statement that the checker of `package` contradicts."""

    def checker(name: str):
        return import_module(f"{package}.{name}")

    with np.errstate(all="ignore"):
        for number in range(count):
            rng = np.random.default_rng([seed, number])
            try:
                yield from _one(checker, rng, number)
            except checker("reasons").Refusal as refusal:
                if number % 5 != 1:  # huge numbers may overflow float32, and are then refused
                    yield f"{number}: refused: {refusal.detail}"


def _one(checker, rng, number: int) -> Iterator[str]:
    model, shape = hostile_model(rng, number)
    center, lower, upper = hostile_box(rng, int(np.prod(shape)))
    network = checker("operators").build(checker("wire").read_model(model))
    recipe = random_recipe(checker, rng, network)
    n = len(center)
    groups = [np.flatnonzero(rng.random(n) < 0.5) for _ in range(2)]
    free = np.ones((n, 3))
    for place, group in enumerate(groups, start=1):
        free[group, place] = 0.0
    wide = [a.astype(np.float64) for a in (center, lower, upper)]
    region = checker("regions").Region.of(*wide, free)
    for float32 in (False, True):
        semantics, side = ("real", "float32") if float32 else ("real",), int(float32)
        tree = random_tree(checker, rng, network, recipe)
        question = checker("claims").Question(region, MATRIX, OFFSET, 2, semantics, tree)
        recipe.rounds = 0 if float32 else recipe.rounds  # faces are for the reals alone
        bounder = checker("passes").Bounder(network, recipe, float32)
        prover = checker("claims").Prover(question, bounder)
        shared = prover.shared()[side]
        refined, cut = (_refined(checker, prover, few)[side] for few in (3, 0))
        slope = _slopes(bounder, prover.state, n)
        arithmetic = Deployed(rng) if float32 else Exact()
        points, found = [], []
        for place in range(3):
            ends = [np.where(free[:, place] > 0, a, center) for a in (lower, upper)]
            for x in corners(rng, center, *ends, slope, place == 0 and not float32):
                run = Run(model, x.reshape(shape), arithmetic)
                values = fractions(MATRIX).dot(run.output) + fractions(OFFSET)
                for name, bound in (("shared", shared), ("refined", refined), ("cut", cut)):
                    if above(values, bound[:, place]):
                        yield f"{number}: {name} bound {place} {semantics}"
                if place == 0:
                    yield from _neurons(number, network, prover.state, run, semantics)
                points.append(x)
                found.append(values)
        for row in range(3):
            rows = np.full(len(points), row)
            box = np.array(points, np.float64)
            witness = prover.witnesses(box, box, rows)[side]
            if above(witness, [values[row] for values in found]):
                yield f"{number}: witness {semantics}"


def _refined(checker, prover, few: int):
    """Bounds of every set: by passes of their own for so many, else by what the region's says."""
    claims = checker("claims")
    usual, claims.FEW = claims.FEW, few
    try:
        return prover.groups(np.arange(3), np.full(3, -1e30))
    finally:
        claims.FEW = usual


def above(left, right) -> bool:
    """Whether any number on the left exceeds its partner, exactly."""
    return any(Fraction(a) > Fraction(b) for a, b in zip(left, right, strict=True))


def _slopes(bounder, state, n: int) -> np.ndarray:
    """The coefficients of the rows over the input, as a direction to look for the worst point."""
    step = np.maximum(state.upper[0] - state.lower[0], 2.0**-30)[0]
    moved = state.center + np.concatenate([np.zeros((1, n)), np.diag(0.25 * step)])
    there = bounder.forward(moved, moved, moved)
    values = there.lower[-1] + there.upper[-1]
    return MATRIX @ (values[1:] - values[0]).T


def _neurons(number: int, network, state, run: Run, semantics) -> Iterator[str]:
    for name, value in network.names.items():
        if name not in run.numbers:
            continue
        exact = run.numbers[name].ravel()
        if above(state.lower[value][0], exact) or above(exact, state.upper[value][0]):
            yield f"{number}: value {name!r} {semantics}"
