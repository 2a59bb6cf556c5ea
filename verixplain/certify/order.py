"""Which group provably counts more: rule 2."""

import numpy as np

from verixplain.errors import SoundnessAlarm
from verixplain.explanation import Order, Overlaps


def order(overlaps: Overlaps) -> Order:
    """Every pair that the enclosures decide.

    `I(u) > I(v)` exactly if `AO(B_v) > AO(B_u)`, which `U(B_u) < L(B_v)` proves; `AO(B)` cancels.

    Raises:
        SoundnessAlarm: a pair is decided both ways.
    """
    above = overlaps.group_upper[:, None] < overlaps.group_lower[None, :]
    return Order(closure(above))


def closure(above: np.ndarray) -> np.ndarray:
    """The transitive closure of a relation of groups.

    Raises:
        SoundnessAlarm: it has a cycle, so some number in it is wrong.
    """
    reach = above.copy()
    while True:
        wider = reach | (reach.astype(np.float32) @ reach.astype(np.float32) > 0)
        if (wider == reach).all():
            break
        reach = wider
    loops = np.flatnonzero(np.diagonal(reach))
    if loops.size:
        raise SoundnessAlarm(
            f"group {loops[0]} is certified above itself: a cycle among certified pairs"
        )
    return reach
