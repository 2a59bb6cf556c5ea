"""The five kinds of piece a network is made of, forward on boxes and backward on rows.

`State` holds what is known of every value on each of M boxes ("members"); arrays are (M, n), or
(1, n) where all members share it. `Sweep` is one backward pass: rows over some value, turned
piece by piece into rows over the input, with every error they collect.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from .linear import Linear, Window
from .lines import Curved, Kinked, Lines
from .reasons import Reason, need
from .regions import Region
from .rounding import (
    FLOOR,
    LARGEST,
    LARGEST32,
    SAFETY,
    TINY32,
    UNIT,
    UNIT32,
    Array,
    down,
    gamma,
    up,
)
from .rows import Rows


@dataclass
class State:
    """Intervals of every value, and the error weights of every piece, on M boxes."""

    float32: bool
    """Whether the intervals hold for every float32 execution too."""
    center: Array
    lower: list[Array]
    upper: list[Array]
    error: list[Array] = field(default_factory=list)
    """Per affine piece and output: what one unit of coefficient loses to the checker's rounding."""
    executed: list[Array] = field(default_factory=list)
    """Per piece and output: how far a float32 execution may be from the exact operation."""
    size: list[Array] = field(default_factory=list)
    """Per value: a bound of the sum of the absolute values of everything summed in it."""
    roundings: list[int] = field(default_factory=list)
    lines: dict[int, Lines] = field(default_factory=dict)
    picks: dict[int, tuple] = field(default_factory=dict)
    group_ends: dict[int, tuple[Array, Array, Array]] = field(default_factory=dict)
    """Per refined value: neurons, and their ends (sets, neurons) on every set of a region."""

    def largest(self, value: int) -> Array:
        return np.maximum(np.abs(self.lower[value]), np.abs(self.upper[value]))

    def append(
        self,
        lower: Array,
        upper: Array,
        executed: Array | float = 0.0,
        error: Array | None = None,
        size: Array | None = None,
        roundings: int = 0,
    ) -> None:
        """Add a value whose exact operation stays in [lower, upper]."""
        zero = np.zeros((1, lower.shape[1]))
        if self.float32:
            executed = np.broadcast_to(executed, lower.shape)
            lower, upper = down(lower - executed), up(upper + executed)
            self.executed.append(executed)
        else:
            self.executed.append(zero)
        largest = np.maximum(np.abs(lower), np.abs(upper))
        need((largest < LARGEST).all(), Reason.NOT_FINITE, "a value may be too large")
        need((lower <= upper).all(), Reason.NOT_FINITE, "an interval is empty")
        self.lower.append(lower)
        self.upper.append(upper)
        self.error.append(zero if error is None else error)
        self.size.append(largest if size is None else size)
        self.roundings.append(roundings)


@dataclass
class Sweep:
    """Upper bounds, row by row: row . value <= total + errors + rows over the input . input."""

    state: State
    member: Array
    slopes: Callable[[int, Rows, Array, Array, "Kinked"], Array]
    total: Array
    size: Array
    error: Array
    executed: Array
    terms: int = 0
    rows: dict[int, Rows] = field(default_factory=dict)

    def add_constant(self, rows: Rows, numbers: Array, vectors: Array) -> None:
        """Add numbers . vectors to the total; the error of that product is the caller's."""
        part = rows.dot(numbers, vectors, self.member)
        self.total = self.total + part
        self.size = self.size + np.abs(part)
        self.terms += 1

    def add_error(self, rows: Rows, vectors: Array) -> None:
        self.error = self.error + rows.dot(np.abs(rows.flat), vectors, self.member)

    def add_executed(self, rows: Rows, vectors: Array) -> None:
        if self.state.float32:
            self.executed = self.executed + rows.dot(np.abs(rows.flat), vectors, self.member)

    def add_rows(self, value: int, rows: Rows) -> None:
        """Add coefficients over a value; the addition itself is rounded."""
        if value in self.rows:
            rows = self.rows[value].plus(rows)
            self.add_error(rows, 2 * UNIT * self.state.largest(value))
        self.rows[value] = rows

    def reach(self, region: Region | None) -> tuple[Array, Array]:
        """Upper bounds over the input boxes: exact reals, and float32 executions.

        Args:
            region: one bound per row and set of it; None means one per row, over its box.
        """
        state, rows = self.state, self.rows[0].dense()
        center = rows.cut(state.center, self.member)
        positive = np.maximum(rows.numbers, 0.0)

        def moves(ends: tuple[Array, Array]) -> Array:
            fall, rise = (rows.cut(end - state.center, self.member) for end in ends)
            return positive * rise + (rows.numbers - positive) * fall

        if region is None:
            free = moves((state.lower[0], state.upper[0]))
            moved, span = free.sum(axis=1)[:, None], np.abs(free).sum(axis=1)
        else:
            free, still = moves((region.lower[None], region.upper[None])), moves(region.still)
            moved = free @ region.free
            if still.any():
                moved = moved + still @ (1.0 - region.free)
            whole = moves((region.whole[0][None], region.whole[1][None]))
            moved[:, 0] = whole.sum(axis=1)
            span = sum(np.abs(part).sum(axis=1) for part in (free, still, whole))
        base = np.einsum("rn,rn->r", rows.numbers, np.broadcast_to(center, free.shape))
        sizes = np.abs(rows.numbers) * np.abs(center)
        # n + 10 covers the products, all sums, rise and fall themselves, and adding it all up
        error = self.error + gamma(free.shape[1] + 10) * (sizes.sum(axis=1) + span)
        error = (error + (self.terms + 8) * UNIT * self.size) * SAFETY + FLOOR
        total = (self.total + base)[:, None] + moved
        executed = (error + self.executed * SAFETY + FLOOR)[:, None]
        real, float32 = up(total + error[:, None]), up(total + up(executed))
        need(np.isfinite(real).all() and np.isfinite(float32).all(), Reason.NOT_FINITE, "a bound")
        return real, float32


class Piece(Protocol):
    """One step of the network: how it moves boxes forward and coefficient rows backward."""

    sources: tuple[int, ...]

    def forward(self, state: State) -> None: ...
    def backward(self, index: int, rows: Rows, sweep: Sweep) -> None: ...


@dataclass
class Affine:
    """z = W h + b. The true weights lie within `inexact * |W|`, the true b within `bias_error`."""

    sources: tuple[int]
    linear: Linear
    bias: Array
    bias_size: Array
    bias_error: Array
    inexact: float
    roundings: int

    def forward(self, state: State) -> None:
        (h,) = self.sources
        lower, upper = state.lower[h], state.upper[h]
        middle = 0.5 * lower + 0.5 * upper
        radius = np.maximum(upper - middle, middle - lower)
        count = len(middle)
        spans = self.linear.forward(np.concatenate([radius, state.largest(h)]), absolute=True)
        g = gamma(self.linear.fan + 4)
        reach, size = spans[:count], spans[count:] * (1 + 2 * g)  # size >= |W| |h|
        uncertain = self.inexact * size + self.bias_error
        center = self.linear.forward(middle) + self.bias
        # 4 g pays for center, radius and reach (both at most size), and for adding these up
        radius = reach + 4 * g * (size + self.bias_size) + uncertain * SAFETY + FLOOR
        n, summed = self.bias.size, size + self.bias_size
        error = gamma(self.linear.spread + 2) * size + gamma(n + 2) * self.bias_size
        executed: Array | float = 0.0
        if state.float32:
            need((summed < LARGEST32).all(), Reason.NOT_FINITE, "float32 may overflow")
            largest = 1 + self.linear.largest + state.largest(h).max(axis=1, keepdims=True)
            executed = gamma(self.roundings, UNIT32) * summed * SAFETY
            executed = executed + TINY32 * self.roundings * largest
        state.append(
            down(center - radius),
            up(center + radius),
            executed,
            error + uncertain,
            summed,
            self.roundings,
        )

    def backward(self, index: int, rows: Rows, sweep: Sweep) -> None:
        state = sweep.state
        sweep.add_constant(rows, rows.flat, self.bias[None])
        sweep.add_error(rows, state.error[index])
        sweep.add_executed(rows, state.executed[index])
        sweep.add_rows(self.sources[0], self.linear.backward(rows))


@dataclass
class Sum:
    """z = h + sign * h'. A deployed network may run it inside the sums that made h and h'."""

    sources: tuple[int, int]
    sign: float

    def forward(self, state: State) -> None:
        a, b = self.sources
        other = sorted_ends(self.sign, state.lower[b], state.upper[b])
        roundings = state.roundings[a] + state.roundings[b] + 2
        size, executed = state.size[a] + state.size[b], 0.0
        if state.float32:
            need((size < LARGEST32).all(), Reason.NOT_FINITE, "float32 may overflow")
            executed = gamma(roundings, UNIT32) * size * SAFETY + 2 * TINY32
        lower, upper = down(state.lower[a] + other[0]), up(state.upper[a] + other[1])
        state.append(lower, upper, executed, size=size, roundings=roundings)

    def backward(self, index: int, rows: Rows, sweep: Sweep) -> None:
        sweep.add_executed(rows, sweep.state.executed[index])
        sweep.add_rows(self.sources[0], rows)
        sweep.add_rows(self.sources[1], rows.like(self.sign * rows.numbers))


def sorted_ends(sign: float, lower: Array, upper: Array) -> tuple[Array, Array]:
    """The interval times 1 or -1."""
    return (lower, upper) if sign > 0 else (-upper, -lower)


@dataclass
class Pick:
    """Numbers of one or more values in another order; -1 is a zero. Nothing is rounded."""

    sources: tuple[int, ...]
    places: Array

    def forward(self, state: State) -> None:
        def picked(arrays: list[Array]) -> Array:
            parts = [arrays[s] for s in self.sources]
            count = max(len(part) for part in parts)
            parts = [np.broadcast_to(part, (count, part.shape[1])) for part in parts]
            return np.concatenate([*parts, np.zeros((count, 1))], axis=1)[:, self.places]

        roundings = max(state.roundings[s] for s in self.sources)
        size = picked(state.size)
        state.append(picked(state.lower), picked(state.upper), size=size, roundings=roundings)

    def backward(self, index: int, rows: Rows, sweep: Sweep) -> None:
        widths = [sweep.state.lower[s].shape[1] for s in self.sources]
        for source, placed in zip(self.sources, self.placed(rows, widths), strict=True):
            sweep.add_rows(source, placed)

    def placed(self, rows: Rows, widths: list[int]) -> list[Rows]:
        """Rows over each source, of so many numbers, from rows over the result."""
        dense, real = rows.dense().numbers, self.places >= 0
        full = np.zeros((len(rows), sum(widths)))
        full[:, self.places[real]] = dense[:, real]  # no number is picked twice
        return [Rows(part) for part in np.split(full, np.cumsum(widths)[:-1], axis=1)]


@dataclass
class Activation:
    """h = f(z), element by element."""

    sources: tuple[int]
    function: Kinked | Curved

    def forward(self, state: State) -> None:
        lower, upper = state.lower[self.sources[0]], state.upper[self.sources[0]]
        executed = self.function.executed(lower, upper)
        state.append(*self.function.range(lower, upper), executed)

    def open(self, state: State) -> Array:
        """Which numbers of the source deserve a backward pass of their own."""
        return self.function.open(state.lower[self.sources[0]], state.upper[self.sources[0]])

    def lines(self, state: State, index: int) -> Lines:
        if index not in state.lines:
            (z,) = self.sources
            state.lines[index] = self.function.lines(state.lower[z], state.upper[z])
        return state.lines[index]

    def backward(self, index: int, rows: Rows, sweep: Sweep) -> None:
        """Positive coefficients take the line above, negative ones the line below."""
        state, member = sweep.state, sweep.member
        lines = self.lines(state, index)
        sweep.add_executed(rows, state.executed[index])
        positive = np.maximum(rows.flat, 0.0)
        negative = rows.flat - positive
        below = rows.cut(lines.lower_slope, member)
        if isinstance(self.function, Kinked):
            below = sweep.slopes(index, rows, below, lines.open, self.function)
        moved = rows.like(positive * rows.cut(lines.upper_slope, member) + negative * below)
        rounding = gamma(rows.flat.shape[1] + 2)
        sweep.add_constant(rows, positive, lines.upper_at)
        sweep.add_error(rows.like(positive), rounding * np.abs(lines.upper_at))
        if isinstance(self.function, Curved):
            sweep.add_constant(rows, negative, lines.lower_at)
            sweep.add_error(rows.like(negative), rounding * np.abs(lines.lower_at))
        sweep.add_error(moved, 2 * UNIT * state.largest(self.sources[0]))
        sweep.add_rows(self.sources[0], moved)


@dataclass
class MaxPool:
    """h = the largest number of each window.

    Below: the number with the best lower end. Above: the same number where no other can exceed
    it, else it plus what the others can exceed it by, or the largest upper end.
    """

    sources: tuple[int]
    window: Window

    def _seen(self, array: Array) -> Array:
        """(taps, members, outputs): what every tap sees; -inf is padding."""
        padded = self.window.padded(array, -np.inf)
        seen = [self.window.at_tap(padded, y, x) for _, _, y, x in self.window.taps()]
        return np.stack(seen).reshape(len(seen), len(array), -1)

    def _choice(self, state: State) -> tuple[Array, Array, Array]:
        """Chosen tap, slope above (0 or 1) and intercept above, each (members, outputs)."""
        (h,) = self.sources
        lower = self._seen(state.lower[h])
        upper = np.where(np.isfinite(lower), self._seen(state.upper[h]), -np.inf)
        choice = lower.argmax(axis=0)
        own_lower = np.take_along_axis(lower, choice[None], 0)[0]
        own_upper = np.take_along_axis(upper, choice[None], 0)[0]
        np.put_along_axis(upper, choice[None], -np.inf, 0)
        others = upper.max(axis=0)
        excess = np.maximum(up(others - own_lower), 0.0)
        excess = np.where(others <= own_lower, 0.0, excess)
        best = np.maximum(own_upper, others)
        follow = excess + 0.5 * (own_lower + own_upper) <= best
        return choice, follow * 1.0, np.where(follow, excess, best)

    def forward(self, state: State) -> None:
        (h,) = self.sources
        state.append(self._seen(state.lower[h]).max(axis=0), self._seen(state.upper[h]).max(axis=0))

    def open(self, state: State) -> Array:
        """Numbers of undecided windows that may be the largest."""
        (h,) = self.sources
        lower = self._seen(state.lower[h])
        upper = np.where(np.isfinite(lower), self._seen(state.upper[h]), -np.inf)
        rival = upper >= lower.max(axis=0)
        rival &= rival.sum(axis=0) > 1
        found = np.zeros((len(state.lower[h]), state.lower[h].shape[1] + 1), bool)
        n = state.lower[h].shape[1]
        places = self.window.padded(np.arange(n, dtype=np.float64)[None], float(n))
        for tap, (_, _, y, x) in enumerate(self.window.taps()):
            place = self.window.at_tap(places, y, x).reshape(-1).astype(np.int64)
            for member in range(len(found)):
                found[member, place[rival[tap, member]]] = True
        return found[:, :n]

    def backward(self, index: int, rows: Rows, sweep: Sweep) -> None:
        state, member = sweep.state, sweep.member
        if index not in state.picks:
            state.picks[index] = self._choice(state)
        choice, slope, at = state.picks[index]
        positive = np.maximum(rows.flat, 0.0)
        negative = rows.flat - positive
        sweep.add_constant(rows, positive, at)
        sweep.add_error(rows.like(positive), gamma(rows.flat.shape[1] + 2) * np.abs(at))
        moved = rows.like(positive * rows.cut(slope, member) + negative)
        own = rows.cut(choice.astype(np.float64), member)
        channels = self.window.source[0]
        taps = self.window.kernel[0] * self.window.kernel[1]
        sweep.add_error(moved, gamma(taps + 2) * np.broadcast_to(self._most(state), at.shape))

        def part(a: int, b: int, image: Rows) -> Array:
            tap = a * self.window.kernel[1] + b
            chosen = moved.like(moved.flat * (own == tap))
            return chosen.as_image(self.window.target).numbers.reshape(image.numbers.shape)

        sweep.add_rows(self.sources[0], self.window.grow(moved, channels, part))

    def derivatives(self, state: State) -> tuple[Array, Array]:
        """Least and largest share of each tap in the window's result, (taps, outputs)."""
        (h,) = self.sources
        lower = self._seen(state.lower[h])[:, 0]
        upper = np.where(np.isfinite(lower), self._seen(state.upper[h])[:, 0], -np.inf)
        may = upper >= lower.max(axis=0)
        return may * (may.sum(axis=0) == 1) * 1.0, may * 1.0

    def shared(self, rows: Rows, shares: Array) -> Rows:
        """Rows over the numbers of the windows; `shares` is (taps, outputs)."""
        member = np.zeros(len(rows), np.int64)

        def part(a: int, b: int, image: Rows) -> Array:
            share = rows.cut(shares[a * self.window.kernel[1] + b][None], member)
            moved = rows.like(rows.flat * share)
            return moved.as_image(self.window.target).numbers.reshape(image.numbers.shape)

        return self.window.grow(rows, self.window.source[0], part)

    def _most(self, state: State) -> float:
        return float(state.largest(self.sources[0]).max())


Nonlinear = Activation | MaxPool
