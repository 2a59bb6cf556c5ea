"""Where the gradient of a row lies, over the whole box: a zonotope and an interval. FORMAT.md 7.4.

J = C + sum_k e_k G_k + r with |e_k| <= 1 and |r| <= rest, carried backward piece by piece. Symbols
are shared between inputs, so that what moves many of them together can cancel.
"""

from dataclasses import dataclass

import numpy as np

from .operators import Network
from .pieces import Activation, Affine, MaxPool, Pick, State, Sum
from .reasons import Reason, need
from .rounding import FLOOR, SAFETY, UNIT, Array, down, gamma, up
from .rows import Rows, unit_rows

MOST_SYMBOLS = 2**12
CENTER = 0


@dataclass
class Gradient:
    """The gradient of one row with respect to one value; vectors are (n,)."""

    parts: dict[int, Rows]
    """The center's row C, and by the activation that they came from the rows G."""
    rest: Array
    low: Array
    high: Array

    def __post_init__(self) -> None:
        """Cut the interval with the hull of the zonotope."""
        center, reach = self.center, (self.reach + self.rest) * SAFETY + FLOOR
        self.low = np.maximum(self.low, down(center - reach))
        self.high = np.minimum(self.high, up(center + reach))
        need((self.low <= self.high).all(), Reason.NOT_FINITE, "a gradient's interval is empty")

    @property
    def center(self) -> Array:
        return self.parts[CENTER].dense().numbers[0]

    @property
    def reach(self) -> Array:
        """The sum of all |G_k|; its own rounding is left to who uses it."""
        return np.abs(self.symbols()).sum(axis=0)

    @property
    def size(self) -> Array:
        """|C| + sum |G_k|."""
        return np.abs(self.center) + self.reach

    @property
    def largest(self) -> Array:
        return np.maximum(np.abs(self.low), np.abs(self.high))

    def symbols(self) -> Array:
        """All rows G, (symbols, n)."""
        found = [rows.dense().numbers for birth, rows in self.parts.items() if birth != CENTER]
        return np.concatenate([np.zeros((0, len(self.rest))), *found])

    def plus(self, other: "Gradient") -> "Gradient":
        parts = dict(self.parts)
        for birth, rows in other.parts.items():
            parts[birth] = parts[birth].plus(rows) if birth in parts else rows
        rest = self.rest + other.rest + 2 * UNIT * (self.size + other.size)
        low, high = down(self.low + other.low), up(self.high + other.high)
        return Gradient(parts, rest * SAFETY + FLOOR, low, high)


def gradient(network: Network, state: State, row: Array) -> Gradient:
    """The gradient of `row . output` with respect to the input, over the state's only box."""
    output = len(network.pieces)
    found = {output: Gradient({CENTER: Rows(row[None])}, np.zeros(row.shape), row, row)}
    for index in range(output, 0, -1):
        if index not in found:
            continue
        piece, given = network.pieces[index - 1], found.pop(index)
        if isinstance(piece, Affine):
            moved = [_affine(piece, given)]
        elif isinstance(piece, Sum):
            moved = [given, _scaled(given, piece.sign)]
        elif isinstance(piece, Pick):
            moved = _picked(piece, given, [network.size(s) for s in piece.sources])
        elif isinstance(piece, Activation):
            source = piece.sources[0]
            slopes = piece.function.derivative(state.lower[source][0], state.upper[source][0])
            moved = [_activation(given, *slopes, index, network.shapes[index])]
        elif isinstance(piece, MaxPool):
            moved = [_pool(piece, given, state)]
        else:
            raise TypeError(type(piece))
        for source, one in zip(piece.sources, moved, strict=True):
            found[source] = found[source].plus(one) if source in found else one
    n = network.size(0)
    zero = np.zeros(n)
    return found.get(0) or Gradient({CENTER: Rows(zero[None])}, zero, zero, zero)


def _affine(piece: Affine, given: Gradient) -> Gradient:
    """W to the right of every row. Rounding and what is not known of W go to the rest."""
    linear, size = piece.linear, given.size
    wrong = gamma(linear.spread + 4) + piece.inexact
    middle = 0.5 * given.low + 0.5 * given.high
    radius = up(np.maximum(given.high - middle, middle - given.low))
    spread = np.stack([
        given.rest + wrong * (size + given.rest),
        radius + wrong * (np.abs(middle) + radius),
    ])  # fmt: skip
    rest, radius = linear.absolute().backward(Rows(spread)).dense().numbers * SAFETY + FLOOR
    (middle,) = linear.backward(Rows(middle[None])).dense().numbers
    parts = {birth: linear.backward(rows) for birth, rows in given.parts.items()}
    return Gradient(parts, rest, down(middle - radius), up(middle + radius))


def _scaled(given: Gradient, sign: float) -> Gradient:
    """Times 1 or -1."""
    parts = {birth: rows.like(sign * rows.numbers) for birth, rows in given.parts.items()}
    low, high = (given.low, given.high) if sign > 0 else (-given.high, -given.low)
    return Gradient(parts, given.rest, low, high)


def _picked(piece: Pick, given: Gradient, widths: list[int]) -> list[Gradient]:
    """Every number to the place that it came from."""
    parts = {birth: piece.placed(rows, widths) for birth, rows in given.parts.items()}
    ends = [piece.placed(Rows(one[None]), widths) for one in (given.rest, given.low, given.high)]
    found = []
    for at in range(len(widths)):
        rest, low, high = (one[at].numbers[0] for one in ends)
        found.append(Gradient({birth: rows[at] for birth, rows in parts.items()}, rest, low, high))
    return found


def _activation(
    given: Gradient, least: Array, most: Array, birth: int, shape: tuple[int, ...]
) -> Gradient:
    """Times a derivative in [least, most], one new symbol for each number where they differ."""
    middle = 0.5 * (least + most)
    half = np.where(least < most, up(np.maximum(most - middle, middle - least)), 0.0)
    parts = {
        at: rows.like(rows.flat * rows.cut(middle[None], np.zeros(len(rows), np.int64)))
        for at, rows in given.parts.items()
    }
    rest = (middle * given.rest + 2 * UNIT * middle * given.size) * SAFETY + FLOOR
    reach = np.where(half > 0.0, up(half * given.largest), 0.0)
    new = np.flatnonzero(reach)
    if sum(map(len, parts.values())) + len(new) > MOST_SYMBOLS:
        rest = up(rest + reach)
    elif len(new):
        parts[birth] = unit_rows(shape, new, reach[new])
    low = down(np.minimum(given.low * least, given.low * most))
    high = up(np.maximum(given.high * least, given.high * most))
    return Gradient(parts, rest, low, high)


def _pool(piece: MaxPool, given: Gradient, state: State) -> Gradient:
    """To every number of a window its share; what is open goes to the rest."""
    least, most = piece.derivatives(state)
    middle, half = 0.5 * (least + most), 0.5 * (most - least)
    parts = {birth: piece.shared(rows, middle) for birth, rows in given.parts.items()}
    taps = gamma(len(least) + 2)

    def spread(numbers: Array, shares: Array) -> Array:
        return piece.shared(Rows(numbers[None]), shares).dense().numbers[0]

    rest = spread(given.rest + taps * given.size, middle) + spread(given.largest, half)
    low = spread(np.minimum(given.low, 0.0), most) + spread(np.maximum(given.low, 0.0), least)
    high = spread(np.maximum(given.high, 0.0), most) + spread(np.minimum(given.high, 0.0), least)
    wrong = 2 * taps * spread(given.largest, most) * SAFETY + FLOOR
    return Gradient(parts, rest * SAFETY + FLOOR, down(low - wrong), up(high + wrong))
