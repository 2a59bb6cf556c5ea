"""The exact adversarial overlap of small networks, and exact values of networks at points.

`exact_rows` evaluates a network's primitives in rationals: every weight is a float64 number, so
affine maps, ReLU and its relatives, maxima and products have exact values. It is the judge of all
soundness tests.

`by_patterns` and `by_integers` find `AO = max over the box of the largest row` in two unlike ways:
a linear program for every activation pattern, and one mixed-integer program for every row. Both
return a bracket:

* `exact`: the overlap at the point found, clipped into the box, in rationals. `exact <= AO` is a
  fact, so a sound upper bound must not lie below it; tests of soundness compare with this number
  and need no tolerance.
* `value`: what the solver says, a float. It is good for closeness only (the solver's feasibility
  tolerance is about 1e-9 in patterns and 1e-6 in mixed-integer programs).

Nothing here uses the package's bounds; of a primitive it uses only what the primitive computes.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

from verixplain.network import Network
from verixplain.network.primitives import (
    Affine,
    MatrixProduct,
    MaxPool,
    Plan,
    Primitive,
    Product,
    Rearrange,
    ScaleShift,
    Univariate,
)
from verixplain.query import Box, Target

MOST_UNSTABLE_PATTERNS, MOST_UNSTABLE_INTEGERS = 10, 24


class NotExactError(Exception):
    """The network has a value that is no rational number."""


# Exact values.


def exact_rows(network: Network, point: np.ndarray, target: Target | None = None) -> list[Fraction]:
    """The rows of `target` at `point` (the outputs, without one), in rationals.

    Raises:
        NotExactError: the network has a function or constant that is not rational.
    """
    output = exact_values(network.plan, point)[network.plan.output].ravel()
    if target is None:
        return list(output)
    matrix, offsets = target.matrix(network.outputs)
    return [
        sum((Fraction(c) * y for c, y in zip(row, output, strict=True) if c), Fraction(d))
        for row, d in zip(matrix.tolist(), offsets.tolist(), strict=True)
    ]


def exact_overlap(network: Network, point: np.ndarray, target: Target) -> Fraction:
    """The largest row at a point."""
    return max(exact_rows(network, point, target))


def is_exact(network: Network) -> bool:
    """Whether the network's values are rationals, so that `exact_rows` can judge it."""
    try:
        for step in network.plan.steps:
            _check_rational(step)
    except NotExactError:
        return False
    return True


def exact_values(plan: Plan, point: np.ndarray) -> dict[str, np.ndarray]:
    """Every value of a plan at one point: arrays of Fractions with a batch of one."""
    numbers = [x if isinstance(x, Fraction) else Fraction(float(x)) for x in np.ravel(point)]
    start = np.array(numbers, dtype=object)
    values = {plan.input: start.reshape(1, *np.shape(point))}
    for step in plan.steps:
        _check_rational(step)
        values[step.name] = _exactly(step, [values[name] for name in step.inputs])
    return values


def _check_rational(step: Primitive) -> None:
    kind = step.kind
    if isinstance(kind, Univariate):
        leak(kind)
    if isinstance(kind, ScaleShift):
        constants = (kind.scale is not None) + (kind.shift is not None)
        if kind.terms > constants:
            raise NotExactError(f"{step.node}: its constants are themselves rounded")


def leak(kind: Univariate) -> float:
    """The slope left of 0 of ReLU, LeakyReLU or the absolute value; right of it they have 1."""
    if kind.name == "relu":
        return 0.0
    if kind.name == "abs":
        return -1.0
    if kind.name.startswith("leaky_relu"):
        return float(dict(kind.parameters)["alpha"])
    raise NotExactError(f"{kind.name} has values that are not rational")


def _exactly(step: Primitive, parts: list[np.ndarray]) -> np.ndarray:
    kind = step.kind
    if isinstance(kind, Affine):
        return _affine_exactly(kind, parts)
    if isinstance(kind, Univariate):
        alpha = Fraction(leak(kind))
        return _each(lambda x: x if x > 0 else alpha * x, parts[0])
    if isinstance(kind, MaxPool):
        places = kind.windows(_indices(parts[0].shape)).numpy()
        return parts[0].ravel()[places].max(axis=-1)
    if isinstance(kind, Product):
        return parts[0] * parts[1]
    if isinstance(kind, MatrixProduct):
        return parts[0] @ parts[1]
    raise NotExactError(f"no exact value for {type(kind).__name__}")


def _each(function: Callable, array: np.ndarray) -> np.ndarray:
    return np.array([function(x) for x in array.ravel()], dtype=object).reshape(array.shape)


def _indices(shape: Sequence[int]) -> torch.Tensor:
    return torch.arange(int(np.prod(shape))).reshape(tuple(shape))


def _affine_exactly(kind: Affine, parts: list[np.ndarray]) -> np.ndarray:
    """`A x + b`, with A read off by feeding unit vectors (1 times a weight is that weight)."""
    found: dict[int, Fraction] = {}
    shape = None
    for number, part in enumerate(parts):
        for begin in range(0, part.size, 256):
            columns, shape = _columns(kind, parts, number, begin, min(begin + 256, part.size))
            for j, i in zip(*np.nonzero(columns), strict=True):
                weight = _coefficient(kind, float(columns[j, i]))
                found[i] = found.get(i, Fraction(0)) + weight * part.flat[begin + j]
    total = np.array([found.get(i, Fraction(0)) for i in range(int(np.prod(shape)))], dtype=object)
    total = total.reshape(1, *shape)
    offset = kind.offset()
    if offset is None and hasattr(kind, "places"):  # a concatenation with constants
        blank = [torch.zeros(part.shape, dtype=torch.float64) for part in parts]
        offset = kind(*blank)
    if offset is None:
        return total
    return total + np.broadcast_to(_each(Fraction, offset.double().numpy()), total.shape)


def _columns(
    kind: Affine, parts: list[np.ndarray], number: int, begin: int, end: int
) -> tuple[np.ndarray, tuple[int, ...]]:
    """Columns `begin` to `end` of the part of A that acts on input `number`, and y's shape."""
    units = []
    for k, part in enumerate(parts):
        batch = torch.zeros((end - begin, part.size), dtype=torch.float64)
        if k == number:
            batch[torch.arange(end - begin), torch.arange(begin, end)] = 1.0
        units.append(batch.reshape(end - begin, *part.shape[1:]))
    with torch.no_grad():
        out = kind.linear(*units)
    return out.reshape(len(out), -1).numpy(), tuple(out.shape[1:])


def _coefficient(kind: Affine, weight: float) -> Fraction:
    """A weight as it is meant: averages divide by a count, and 1/9 is no float."""
    if not (isinstance(kind, Rearrange) and kind.terms):
        return Fraction(weight)
    meant = Fraction(weight).limit_denominator(10_000)
    if abs(float(meant) - weight) > 1e-15 * abs(weight):
        raise NotExactError(f"no small fraction is {weight!r}")
    return meant


def exact_gradients(network: Network, point: np.ndarray) -> np.ndarray:
    """Of every output, in rationals, by the chain rule forwards; (outputs, inputs).

    At a kink it is one of the gradients nearby: the slope left of it, or the first largest.
    """
    plan, values = network.plan, exact_values(network.plan, point)
    size = int(np.prod(point.shape))
    start = np.array([[Fraction(int(i == j)) for j in range(size)] for i in range(size)])
    slopes = {plan.input: start}  # (numbers of the value, inputs)
    for step in plan.steps:
        parts = [values[name] for name in step.inputs]
        given = [slopes[name] for name in step.inputs]
        if isinstance(step.kind, Affine):
            count = values[step.name].size
            total = np.full((count, size), Fraction(0))
            for number, part in enumerate(parts):
                columns, _ = _columns(step.kind, parts, number, 0, part.size)
                for j, i in zip(*np.nonzero(columns), strict=True):
                    total[i] += _coefficient(step.kind, float(columns[j, i])) * given[number][j]
        elif isinstance(step.kind, Univariate):
            flat = Fraction(leak(step.kind))
            total = given[0] * np.array([[1 if x > 0 else flat] for x in parts[0].ravel()])
        else:
            assert isinstance(step.kind, MaxPool)
            places = step.kind.windows(_indices(parts[0].shape)).numpy()
            best = parts[0].ravel()[places].argmax(axis=-1)
            chosen = np.take_along_axis(places, best[..., None], -1).ravel()
            total = given[0][chosen]
        slopes[step.name] = total
    return slopes[plan.output]


def region_points(network: Network, box: Box) -> Iterator[np.ndarray]:
    """A point inside every activation region that the box has, no neuron at a kink there."""
    lower, upper = box.lower.ravel(), box.upper.ravel()
    for _, conditions in _pieces(network.plan, lower, upper):
        size = np.linalg.norm(conditions[:, :-1], axis=1, keepdims=True)
        widest = linprog(  # the center of the largest ball that fits
            [*np.zeros(len(lower)), -1.0],
            A_ub=np.hstack([-conditions[:, :-1], size]),
            b_ub=conditions[:, -1],
            bounds=[*zip(lower, upper, strict=True), (0, 1)],
            method="highs",
        )
        if widest.status == 0 and widest.x[-1] > 1e-7:
            yield np.clip(widest.x[:-1], lower, upper).reshape(box.lower.shape)


# The exact overlap.


@dataclass(frozen=True, eq=False)
class Overlap:
    """A bracket of `AO(B_u)`: `exact <= AO` for certain, and `AO` is about `value`.

    Args:
        value: the solver's optimum.
        point: where it was found, clipped into the box (frozen inputs at the center).
        exact: the overlap at `point`, a rational.
        row: the row that is largest there.
    """

    value: float
    point: np.ndarray
    exact: Fraction
    row: int


def by_patterns(network: Network, box: Box, target: Target, frozen: Sequence[int] = ()) -> Overlap:
    """One linear program for every activation pattern (and choice of a window's largest)."""
    box = box.freeze(np.asarray(frozen, dtype=int))
    best = None
    matrix, offsets = target.matrix(network.outputs)
    lower, upper = box.lower.ravel(), box.upper.ravel()
    for output, conditions in _pieces(network.plan, lower, upper):
        for row, (c, d) in enumerate(zip(matrix, offsets, strict=True)):
            line = c @ output  # coefficients of the inputs, then the constant
            found = linprog(
                -line[:-1],
                A_ub=-conditions[:, :-1] if len(conditions) else None,
                b_ub=conditions[:, -1] if len(conditions) else None,
                bounds=np.stack([lower, upper], axis=1),
                method="highs",
            )
            if found.status == 2:  # this pattern does not occur in the box
                break
            if found.status != 0:
                raise RuntimeError(f"linear program: {found.message}")
            value = float(line[-1] + d - found.fun)
            if best is None or value > best[0]:
                best = value, found.x, row
    return _bracket(network, box, target, best)


def by_integers(network: Network, box: Box, target: Target, frozen: Sequence[int] = ()) -> Overlap:
    """One mixed-integer program for every row: a binary number says which piece is active."""
    box = box.freeze(np.asarray(frozen, dtype=int))
    program = _Program(box.lower.ravel(), box.upper.ravel())
    output = _through(network.plan, program)
    matrix, offsets = target.matrix(network.outputs)
    best = None
    for row, (c, d) in enumerate(zip(matrix, offsets, strict=True)):
        value, point = program.largest(c @ output)
        if best is None or value + d > best[0]:
            best = value + float(d), point, row
    return _bracket(network, box, target, best)


def exact_overlaps(network: Network, box: Box, target: Target, groups: Sequence) -> list[Overlap]:
    """Of the box, then of every group's sub-box, by the route that suits its size."""
    count = unstable(network, box)
    route = by_patterns if count <= 6 else by_integers
    return [route(network, box, target, frozen) for frozen in [(), *groups]]


def unstable(network: Network, box: Box) -> int:
    """How many neurons and windows can be on either piece, as far as intervals tell."""
    program = _Program(box.lower.ravel(), box.upper.ravel())
    _through(network.plan, program)
    return int(sum(program.binary))


def _bracket(network: Network, box: Box, target: Target, best: tuple | None) -> Overlap:
    if best is None:
        raise RuntimeError("no activation pattern is possible")
    value, point, row = best
    point = np.clip(point.reshape(box.lower.shape), box.lower, box.upper)
    return Overlap(value, point, exact_overlap(network, point, target), row)


def corners(box: Box, limit: int = 64, seed: int = 0) -> Iterator[np.ndarray]:
    """All corners of a box where there are at most `limit`, else as many random ones."""
    free = np.flatnonzero(box.lower.ravel() < box.upper.ravel())
    if 2 ** len(free) <= limit:
        choices = itertools.product([False, True], repeat=len(free))
    else:
        choices = np.random.default_rng(seed).random((limit, len(free))) < 0.5
    for choice in choices:
        point = box.lower.ravel().copy()
        up = free[np.asarray(choice, dtype=bool)]
        point[up] = box.upper.ravel()[up]
        yield point.reshape(box.lower.shape)


# Values as affine functions. An expression has a row a number: coefficients, then the constant.


def _push(kind: Affine, parts: list[np.ndarray], shapes: list[tuple[int, ...]]) -> np.ndarray:
    """An affine map of expressions: its linear part acts on every coefficient alike."""
    columns = [
        torch.from_numpy(np.ascontiguousarray(part.T)).reshape(-1, *shape)
        for part, shape in zip(parts, shapes, strict=True)
    ]
    with torch.no_grad():
        out = kind.linear(*columns)
        zero = kind(*[torch.zeros((1, *shape), dtype=torch.float64) for shape in shapes])
    found = out.reshape(len(out), -1).numpy().T.copy()
    found[:, -1] += zero.reshape(-1).numpy()
    return found


def _range(line: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Interval of expressions over a box of the variables, a little too wide."""
    a, c = line[..., :-1], line[..., -1]
    low = np.maximum(a, 0) @ lower + np.minimum(a, 0) @ upper + c
    high = np.maximum(a, 0) @ upper + np.minimum(a, 0) @ lower + c
    slack = 1e-9 * (1 + np.abs(low) + np.abs(high))
    return low - slack, high + slack


class _Choices:
    """A path through a tree of choices, replayed up to `given` and leftmost from there."""

    def __init__(self, given: list[int]) -> None:
        self.given, self.taken, self.options = given, [], []

    def __call__(self, options: int) -> int:
        number = len(self.taken)
        self.taken.append(self.given[number] if number < len(self.given) else 0)
        self.options.append(options)
        return self.taken[-1]

    def following(self) -> list[int] | None:
        """The next path, or None after the last."""
        taken = list(self.taken)
        while taken and taken[-1] == self.options[len(taken) - 1] - 1:
            taken.pop()
        if not taken:
            return None
        taken[-1] += 1
        return taken


def _pieces(
    plan: Plan, lower: np.ndarray, upper: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Every pattern: the output as an expression of the inputs, and expressions that are >= 0."""
    path: list[int] | None = []
    while path is not None:
        choose = _Choices(path)
        yield _piece(plan, lower, upper, choose)
        if len([n for n in choose.options if n > 1]) > MOST_UNSTABLE_PATTERNS:
            raise RuntimeError("too many unstable neurons to enumerate; use by_integers")
        path = choose.following()


def _piece(
    plan: Plan, lower: np.ndarray, upper: np.ndarray, choose: _Choices
) -> tuple[np.ndarray, np.ndarray]:
    count = len(lower)
    values = {plan.input: np.hstack([np.eye(count), np.zeros((count, 1))])}
    conditions: list[np.ndarray] = []
    for step in plan.steps:
        parts = [values[name] for name in step.inputs]
        if isinstance(step.kind, Affine):
            shapes = [plan.shapes[name] for name in step.inputs]
            values[step.name] = _push(step.kind, parts, shapes)
        elif isinstance(step.kind, Univariate):
            alpha, lines = leak(step.kind), parts[0].copy()
            low, high = _range(lines, lower, upper)
            for i, line in enumerate(parts[0]):
                if low[i] >= 0:
                    continue
                if high[i] <= 0 or choose(2) == 0:
                    lines[i] = alpha * line
                    if high[i] > 0:
                        conditions.append(-line)
                else:
                    conditions.append(line)
            values[step.name] = lines
        elif isinstance(step.kind, MaxPool):
            values[step.name] = np.stack(
                [
                    _largest(window, lower, upper, choose, conditions)
                    for window in _windows(step.kind, plan.shapes[step.inputs[0]], parts[0])
                ]
            )
        else:
            raise NotExactError(f"no pieces for {type(step.kind).__name__}")
    return values[plan.output], np.array(conditions).reshape(-1, count + 1)


def _windows(kind: MaxPool, shape: tuple[int, ...], lines: np.ndarray) -> np.ndarray:
    places = kind.windows(_indices((1, *shape)))
    return lines[places.reshape(-1, places.shape[-1]).numpy()]


def _able(window: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Which numbers of a window can be its largest, one of each that are the same expression."""
    _, first = np.unique(window, axis=0, return_index=True)
    return np.array([i for i in sorted(first) if high[i] >= low.max()])


def _largest(window, lower, upper, choose, conditions) -> np.ndarray:
    able = _able(window, *_range(window, lower, upper))
    chosen = able[choose(len(able))] if len(able) > 1 else able[0]
    conditions.extend(window[chosen] - window[i] for i in able if i != chosen)
    return window[chosen]


class _Program:
    """A mixed-integer program that grows: variables with ranges, and rows that must be >= 0."""

    def __init__(self, lower: np.ndarray, upper: np.ndarray) -> None:
        self.inputs = len(lower)
        self.lower, self.upper = list(lower), list(upper)
        self.binary = [False] * self.inputs
        self.conditions: list[np.ndarray] = []

    def add(self, lower: float, upper: float, binary: bool = False) -> int:
        """A new variable; returns its number."""
        self.lower.append(lower)
        self.upper.append(upper)
        self.binary.append(binary)
        return len(self.lower) - 1

    def wide(self, line: np.ndarray) -> np.ndarray:
        """Expressions made when there were fewer variables, as ones of all of today's."""
        missing = len(self.lower) + 1 - line.shape[-1]
        zeros = np.zeros((*line.shape[:-1], missing))
        return np.concatenate([line[..., :-1], zeros, line[..., -1:]], axis=-1)

    def range(self, line: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return _range(self.wide(line), np.array(self.lower), np.array(self.upper))

    def variable(self, number: int) -> np.ndarray:
        line = np.zeros(len(self.lower) + 1)
        line[number] = 1.0
        return line

    def largest(self, line: np.ndarray) -> tuple[float, np.ndarray]:
        """Maximise an expression: the optimum and the inputs there."""
        if sum(self.binary) > MOST_UNSTABLE_INTEGERS:
            raise RuntimeError("too many unstable neurons for an exact answer")
        line = self.wide(line)
        constraints = []
        if self.conditions:
            rows = np.stack([self.wide(one) for one in self.conditions])
            constraints = [LinearConstraint(rows[:, :-1], lb=-rows[:, -1])]
        found = milp(
            -line[:-1],
            integrality=np.array(self.binary, dtype=int),
            bounds=Bounds(np.array(self.lower), np.array(self.upper)),
            constraints=constraints,
            options={"mip_rel_gap": 0.0},
        )
        if found.status != 0:
            raise RuntimeError(f"mixed-integer program: {found.message}")
        return float(line[-1] - found.fun), found.x[: self.inputs]


def _through(plan: Plan, program: _Program) -> np.ndarray:
    """The output as an expression of a program's variables; the program gets what is needed."""
    count = program.inputs
    values = {plan.input: np.hstack([np.eye(count), np.zeros((count, 1))])}
    for step in plan.steps:
        parts = [program.wide(values[name]) for name in step.inputs]
        if isinstance(step.kind, Affine):
            shapes = [plan.shapes[name] for name in step.inputs]
            values[step.name] = _push(step.kind, parts, shapes)
        elif isinstance(step.kind, Univariate):
            lines = [_kinked(program, line, leak(step.kind)) for line in parts[0]]
            values[step.name] = np.stack([program.wide(line) for line in lines])
        elif isinstance(step.kind, MaxPool):
            windows = _windows(step.kind, plan.shapes[step.inputs[0]], parts[0])
            lines = [_pooled(program, window) for window in windows]
            values[step.name] = np.stack([program.wide(line) for line in lines])
        else:
            raise NotExactError(f"no program for {type(step.kind).__name__}")
    return program.wide(values[plan.output])


def _kinked(program: _Program, line: np.ndarray, alpha: float) -> np.ndarray:
    """`max(x, alpha x)` for alpha <= 1."""
    low, high = (float(end) for end in program.range(line))
    if low >= 0:
        return line
    if high <= 0:
        return alpha * line
    value = program.add(min(alpha * low, low, 0.0), max(high, alpha * low, 0.0))
    active = program.add(0.0, 1.0, binary=True)
    y, a, x = program.variable(value), program.variable(active), program.wide(line)
    one = np.zeros_like(y)
    one[-1] = 1.0
    program.conditions += [
        y - x,
        y - alpha * x,
        x - y - (1 - alpha) * low * (one - a),
        alpha * x - y + (1 - alpha) * high * a,
    ]
    return y


def _pooled(program: _Program, window: np.ndarray) -> np.ndarray:
    low, high = program.range(window)
    able = _able(window, low, high)
    if len(able) == 1:
        return window[able[0]]
    top = float(high.max())
    value = program.add(float(low.max()), top)
    chosen = [program.add(0.0, 1.0, binary=True) for _ in able]
    y = program.variable(value)
    one = np.zeros_like(y)
    one[-1] = 1.0
    picks = [program.variable(number) for number in chosen]
    for i, pick in zip(able, picks, strict=True):
        x = program.wide(window[i])
        program.conditions += [y - x, x - y + (top - float(low[i])) * (one - pick)]
    program.conditions += [sum(picks) - one, one - sum(picks)]
    return y
