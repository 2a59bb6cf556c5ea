"""Branch and bound: parts of the box where some neurons are active and some are not.

On a leaf `s z >= 0` holds for its split neurons, s the phase, so that a row may be bounded with
`beta s z` added, for any `beta >= 0`. The leaves cover every set. FORMAT.md 7.6.
"""

from dataclasses import dataclass

import numpy as np

from .passes import TREE, Bounder
from .pieces import State
from .regions import Region
from .rounding import Array
from .rows import Rows

Leaf = dict[tuple[int, int], int]
"""(value, neuron) -> its phase, +1 or -1."""


def covers(leaves: list[Leaf]) -> bool:
    """Whether every choice of phases lies in a leaf: some neuron splits them all, and so on."""
    parts = [leaves]
    while parts:
        here = parts.pop()
        if any(not leaf for leaf in here):
            continue
        common = set.intersection(*map(set, here)) if here else set()
        if not common:
            return False
        neuron = min(common)
        for phase in (1, -1):
            mine = [leaf for leaf in here if leaf[neuron] == phase]
            parts.append([{n: s for n, s in leaf.items() if n != neuron} for leaf in mine])
    return True


@dataclass(frozen=True)
class Tree:
    """Leaves that cover the box, and the passes that bound rows over them."""

    leaves: list[Leaf]
    passes: Array
    """(passes, 3): leaf, row, and set; of set 0, a pass speaks of every set."""
    multipliers: Array
    """(passes, most splits), at least 0, in the order of the leaf's splits."""

    def bounds(self, bounder: Bounder, region: Region, state: State, matrix: Array) -> Array:
        """Upper bounds of rows, without offsets, on every set: (2, rows, sets)."""
        sets = region.free.shape[1]
        found = np.full((len(self.leaves), 2, len(matrix), sets), np.inf)
        for start in range(0, len(self.passes), bounder.chunk):
            ids = np.arange(start, min(start + bounder.chunk, len(self.passes)))
            for shared in (True, False):
                mine = ids[(self.passes[ids, 2] == 0) == shared]
                if len(mine):
                    self._part(bounder, region, state, matrix, mine, found)
        return found.max(axis=0)

    def _part(
        self, bounder: Bounder, region: Region, state: State, matrix: Array, ids: Array,
        found: Array,
    ) -> None:  # fmt: skip
        """Take the bounds of some passes, all of set 0 or none, where they are better."""
        leaf, row, chosen = self.passes[ids].T
        parts, member = np.unique(self.passes[ids][:, [0, 2]], axis=0, return_inverse=True)
        member = member.ravel()
        state = bounder.on_sets(state, region, parts[:, 1])
        empty = self._cut(state, [self.leaves[number] for number in parts[:, 0]])
        added: dict[int, Array] = {}
        for place, number in enumerate(ids.tolist()):
            splits = self.leaves[leaf[place]].items()
            for ((value, neuron), phase), beta in zip(splits, self.multipliers[number]):  # noqa: B905 - padded
                rows = added.setdefault(value, np.zeros((len(ids), bounder.network.size(value))))
                rows[place, neuron] = phase * beta
        over = None if chosen.any() else region
        pair = bounder.sweep(
            state, len(bounder.network.pieces), Rows(matrix[row]), member, TREE, ids, 0, over,
            {value: Rows(rows) for value, rows in added.items()},
        )  # fmt: skip
        for side, bounds in enumerate(pair):
            bounds = np.where(empty[member][:, None], -np.inf, bounds)
            for place, bound in enumerate(bounds):
                mine = found[leaf[place], side, row[place]]
                at = slice(chosen[place], chosen[place] + 1) if over is None else slice(None)
                mine[at] = np.minimum(mine[at], bound)

    def _cut(self, state: State, leaves: list[Leaf]) -> Array:
        """Cut every member's intervals with its leaf; which members nothing is left of."""
        empty = np.zeros(len(leaves), bool)
        for value in {value for leaf in leaves for value, _ in leaf}:
            shape = (len(leaves), state.lower[value].shape[1])
            low, high = (
                np.broadcast_to(ends[value], shape).copy() for ends in (state.lower, state.upper)
            )
            for member, leaf in enumerate(leaves):
                for (at, neuron), phase in leaf.items():
                    if at == value and phase > 0:
                        low[member, neuron] = max(low[member, neuron], 0.0)
                    elif at == value:
                        high[member, neuron] = min(high[member, neuron], 0.0)
            empty |= (low > high).any(axis=1)
            state.lower[value], state.upper[value] = np.minimum(low, high), high
        return empty
