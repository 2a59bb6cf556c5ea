"""Monotone faces: a row that never falls in an input has a worst point at its upper end.

That holds on every B_u for the inputs that it does not freeze. The hull of the face and the center
holds the face of every B_u, so that signs and intervals found over the hull serve all of them.
FORMAT.md 7.5.
"""

from dataclasses import dataclass, replace

import numpy as np

from .gradients import gradient
from .passes import Bounder
from .pieces import State
from .regions import Region
from .rounding import Array


@dataclass(frozen=True)
class Face:
    """Where a row's worst points on every B_u may be looked for."""

    region: Region
    state: State
    """Intervals over its hull with the center."""
    upper: Array
    """Upper bounds of the row, without its offset, on every set of the region."""


def faces(
    bounder: Bounder, region: Region, state: State, row: Array, number: int, rounds: int
) -> list[Face]:
    """Faces inside each other, as many as new signs are found, `rounds` at most."""
    found, face, sets = [], region, np.arange(region.free.shape[1])
    for _ in range(rounds):
        slope, open_ = gradient(bounder.network, state, row), face.lower < face.upper
        rises, falls = open_ & (slope.low >= 0.0), open_ & (slope.high <= 0.0)
        if not (rises | falls).any():
            break
        lower = np.where(rises, face.upper, face.lower)
        face = region.face(lower, np.where(falls & ~rises, face.lower, face.upper))
        state, ids = bounder.region(face), np.full(len(sets), number)
        alone = replace(face, whole=(face.lower, face.upper))  # S_0 is the face itself
        shared = bounder.rows(state, row[None], ids[:1] * 0, ids[:1], alone)[0][0]
        own = bounder.each(state, alone, np.tile(row, (len(sets), 1)), ids, sets)[0]
        found.append(Face(face, state, np.minimum(shared, own)))
    return found
