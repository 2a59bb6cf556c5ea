"""Bounds of a network over boxes: forward intervals, refined by backward rows.

A recipe says which slopes to use and which neurons deserve a backward pass of their own. It is
advice: every number below is derived here, so no recipe can make a false bound true.
"""

from dataclasses import dataclass, field
from typing import cast

import numpy as np

from .lines import Kinked
from .operators import Network
from .pieces import Nonlinear, State, Sweep
from .reasons import Reason, need
from .regions import Region
from .rounding import TINY32, Array
from .rows import Rows, unit_rows

_CHUNK = 2**21
ROWS, TREE = -1, -2
"""Targets of slopes that are no layer: the rows, and the passes of a tree."""


@dataclass(frozen=True)
class Slopes:
    """Lower slopes for one (target, layer): shares in [0, 1] per target row and column."""

    columns: Array
    row_of: Array
    """Per neuron (or row) of the target: its row in `shares`, -1 for none."""
    shares: tuple[Array, Array]
    """For upper bounds of the target, and for lower bounds."""


@dataclass
class Recipe:
    """What the certificate advises. Layers are values of the network; so are most targets."""

    refine: dict[int, Array | None] = field(default_factory=dict)
    """Layer -> neurons of its source with their own pass; None: those that are open."""
    slopes: dict[tuple[int, int], Slopes] = field(default_factory=dict)
    rounds: int = 0
    """How often the face of a row is looked for."""


class Bounder:
    """Bounds of one network under one recipe."""

    def __init__(self, network: Network, recipe: Recipe, float32: bool) -> None:
        self.network, self.recipe, self.float32 = network, recipe, float32
        self.backward_rows = 0
        widest = max(network.size(value) for value in range(len(network.shapes)))
        self.chunk = max(4, min(256, _CHUNK // widest))

    def forward(self, center: Array, lower: Array, upper: Array) -> State:
        """Intervals only, for a batch of boxes (members, n)."""
        state = self._start(center, lower, upper)
        for piece in self.network.pieces:
            piece.forward(state)
        return state

    def region(self, region: Region) -> State:
        """Intervals on B, refined as advised; what refinement says on each B_u is kept too."""
        state = self._start(*region.box(np.array([0])))
        for index, piece in enumerate(self.network.pieces, start=1):
            if index in self.recipe.refine:
                self._refine(state, index, self.recipe.refine[index], region)
            piece.forward(state)
        return state

    def on_sets(self, parent: State, region: Region, sets: Array) -> State:
        """The parent's state with every refined value cut down to what it is on each S_u.

        Args:
            parent: of a region that holds this one.
            region: whose sets are meant.
            sets: their numbers.
        """
        center, lower, upper = region.box(sets)
        state = State(
            parent.float32, center, list(parent.lower), list(parent.upper), parent.error,
            parent.executed, parent.size, parent.roundings,
        )  # fmt: skip
        state.lower[0], state.upper[0] = lower, upper
        for value, (neurons, lows, highs) in parent.group_ends.items():
            for ends, found in ((state.lower, lows), (state.upper, highs)):
                ends[value] = np.repeat(ends[value], len(sets), axis=0)
                ends[value][:, neurons] = found[sets]
        return state

    def rows(
        self, state: State, rows: Array, member: Array, ids: Array,
        region: Region | None = None,
    ) -> tuple[Array, Array]:  # fmt: skip
        """Upper bounds of rows over the output, in reals and for float32, (rows, sets or 1)."""
        output, found = len(self.network.pieces), []
        for start in range(0, len(rows), self.chunk):
            part = slice(start, start + self.chunk)
            found.append(
                self.sweep(
                    state, output, Rows(rows[part]), member[part], ROWS, ids[part], 0, region
                )
            )
        return np.concatenate([f[0] for f in found]), np.concatenate([f[1] for f in found])

    def each(
        self, state: State, region: Region, rows: Array, ids: Array, sets: Array
    ) -> tuple[Array, Array]:
        """Upper bounds of one row on one set each, with the intervals of that set, (rows,)."""
        found, wanted = np.zeros((2, len(rows))), np.unique(sets)
        for these in np.array_split(wanted, len(wanted) // max(1, self.chunk // 4) + 1):
            mine = np.flatnonzero(np.isin(sets, these))
            member = np.searchsorted(these, sets[mine])
            pair = self.rows(self.on_sets(state, region, these), rows[mine], member, ids[mine])
            found[:, mine] = [side[:, 0] for side in pair]
        return found[0], found[1]

    def _start(self, center: Array, lower: Array, upper: Array) -> State:
        state = State(self.float32, center, [], [])
        ends = np.maximum(np.abs(lower), np.abs(upper))
        need((ends < 1e30).all(), Reason.REGION, "the box is too large")
        state.append(lower, upper)
        state.lower[0], state.upper[0] = lower, upper  # the box itself is not widened
        return state

    def _refine(self, state: State, index: int, chosen: Array | None, region: Region) -> None:
        """Backward bounds, upper and lower, of the chosen neurons of a layer's source."""
        piece = cast(Nonlinear, self.network.pieces[index - 1])
        value = piece.sources[0]
        neurons = np.flatnonzero(piece.open(state)[0]) if chosen is None else chosen
        if not len(neurons) or value == 0:  # of the box itself the ends are known
            return
        lows, highs = [], []
        for start in range(0, len(neurons), self.chunk):
            part = neurons[start : start + self.chunk]
            member = np.zeros(len(part), np.int64)
            for side, sign, ends in ((0, 1.0, highs), (1, -1.0, lows)):
                rows = unit_rows(self.network.shapes[value], part, np.full(len(part), sign))
                real, float32 = self.sweep(state, value, rows, member, index, part, side, region)
                ends.append(sign * (float32 if self.float32 else real).T)
        low = np.maximum(np.concatenate(lows, axis=1), state.lower[value][0, neurons])
        high = np.minimum(np.concatenate(highs, axis=1), state.upper[value][0, neurons])
        need((low <= high).all(), Reason.NOT_FINITE, "an interval is empty")
        state.lower[value][0, neurons], state.upper[value][0, neurons] = low[0], high[0]
        if region.free.shape[1] > 1:
            state.group_ends[value] = (neurons, low, high)

    def sweep(
        self, state: State, value: int, rows: Rows, member: Array, target: int, ids: Array,
        side: int, region: Region | None, added: dict[int, Rows] | None = None,
    ) -> tuple[Array, Array]:  # fmt: skip
        """Upper bounds of `rows . value` on the state's boxes; see `rows`.

        Args:
            state, rows, member, ids, region: what is bounded, and where.
            value: what the rows are over.
            target: for which layer, or else, a recipe's slopes are meant; `ids` is their place.
            side: 0 for the slopes of upper bounds, 1 for those of lower ones.
            added: rows over values that are at least 0 there, by value.
        """
        added = added or {}
        self.backward_rows += len(rows)
        zero = np.zeros(len(rows))

        def slopes(layer: int, at: Rows, adaptive: Array, open_: Array, kink: Kinked) -> Array:
            found = self.recipe.slopes.get((target, layer))
            if found is None:
                return adaptive
            is_open = at.cut(open_.astype(np.float64), member) > 0
            return _advised(found, at, ids, side, adaptive, is_open, kink)

        flushed = TINY32 * np.abs(rows.flat).sum(axis=1) if self.float32 else zero
        sweep = Sweep(state, member, slopes, zero, zero, zero, flushed)
        sweep.rows[value] = rows
        for index in range(value, 0, -1):
            if index in added:
                sweep.add_rows(index, added[index])
            if index in sweep.rows:
                self.network.pieces[index - 1].backward(index, sweep.rows.pop(index), sweep)
        return sweep.reach(region)


def _advised(
    advice: Slopes, at: Rows, ids: Array, side: int, adaptive: Array, is_open: Array, kink: Kinked
) -> Array:
    """The adaptive slopes with the certificate's put in where a neuron is open."""
    slopes = np.broadcast_to(adaptive, at.flat.shape).copy()
    is_open = np.broadcast_to(is_open, slopes.shape)
    row = advice.row_of[ids]
    shares = kink.slope(advice.shares[side])
    if at.windowed:
        column_of = np.full(int(np.prod(at.image)) + 1, -1)
        column_of[advice.columns] = np.arange(len(advice.columns))
        column = column_of[at.places]
        use = (column >= 0) & is_open & (row >= 0)[:, None]
        slopes[use] = shares[np.broadcast_to(row[:, None], use.shape)[use], column[use]]
        return slopes
    use = is_open[:, advice.columns] & (row >= 0)[:, None]
    slopes[:, advice.columns] = np.where(use, shares[row], slopes[:, advice.columns])
    return slopes
