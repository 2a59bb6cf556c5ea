"""The exchange rule: moving u and not v raises a row, wherever its worst point is. FORMAT.md 7.4.

All differences of ends are those of stored numbers; their rounding, and that of every sum here, is
paid for by `gamma` times the sum of the absolute values of all that was added.
"""

import numpy as np

from .gradients import Gradient
from .regions import Ends, Region
from .rounding import FLOOR, SAFETY, Array, down, gamma, up

_PAIRS = 2**22


def gains(gradient: Gradient, region: Region, pairs: Array) -> Array:
    """By how much at least the row rises when u moves and v is given up, per pair (u, v)."""
    (back, forth), room = region.step, region.room
    member = 1.0 - region.free[:, 1:]
    low, high, center = gradient.low, gradient.high, gradient.center
    terms = len(forth) + len(gradient.symbols()) + 32
    wrong = 4 * gamma(terms) * SAFETY

    def less(sure: Array, size: Array) -> Array:
        """What is left of a sum when its rounding is counted."""
        return down(sure - (wrong * size + FLOOR))

    gain = np.maximum(np.maximum(forth * low, back * high), 0.0) @ member
    each = np.max([end * slope for end in room for slope in (low, high)], axis=0)
    loss, size_of_loss = each @ member, np.abs(each) @ member
    u, v = pairs.T
    best = less(gain[u] - loss[v], gain[u] + size_of_loss[v])
    expected, excess = _expected(gradient, room)
    for bold in (False, True):
        move = np.where(low >= 0.0, forth, np.where(high <= 0.0, back, 0.0))
        if bold:
            likely = np.where(center > 0.0, forth, back)
            move = np.where((low < 0.0) & (high > 0.0), likely, move)
        sums = [_Sums(gradient, step, member) for step in (move, expected)]
        more, size_of_more = excess @ member, np.abs(excess) @ member
        apart = np.concatenate([
            np.abs(sums[0].symbols[part[:, 0]] - sums[1].symbols[part[:, 1]]).sum(axis=1)
            for part in np.array_split(pairs, len(pairs) * sums[0].symbols.shape[1] // _PAIRS + 1)
        ])  # fmt: skip
        sure = sums[0].center[u] - sums[1].center[v] - more[v] - apart
        sure -= sums[0].rest[u] + sums[1].rest[v]
        size = sums[0].size[u] + sums[1].size[v] + size_of_more[v]
        best = np.maximum(best, less(sure, size))
    return best


class _Sums:
    """Over each group, of a step times the gradient's center, symbols (groups, symbols), rest."""

    def __init__(self, gradient: Gradient, step: Array, member: Array) -> None:
        far = np.abs(step)
        self.center = (step * gradient.center) @ member
        self.symbols = member.T @ (step * gradient.symbols()).T
        self.rest = (far * gradient.rest) @ member * SAFETY
        self.size = (far * (gradient.size + gradient.rest)) @ member


def _expected(gradient: Gradient, room: Ends) -> tuple[Array, Array]:
    """The end (or 0) at which each input is expected, and what another place adds at most."""
    place = excess = np.zeros_like(room[0])
    least = np.full_like(place, np.inf)
    for trial in (room[1], room[0], place):
        ends = [(end - trial) * slope for end in room for slope in (gradient.low, gradient.high)]
        more = np.max(ends, axis=0)
        more = np.where(more > 0.0, up(up(more)), 0.0)
        total = trial * gradient.center + more
        place, excess = np.where(total < least, trial, place), np.where(total < least, more, excess)
        least = np.minimum(total, least)
    return place, excess
