"""Which group provably counts more: from enclosures (rule 2) and the exchange rule."""

import numpy as np

from verixplain.certify.exchange import exchange
from verixplain.errors import OutOfMemoryError, SettingError, SoundnessAlarm, UnsupportedBoundError
from verixplain.explanation import Order, Overlaps
from verixplain.query import Query


def order(overlaps: Overlaps) -> Order:
    """Every pair that the enclosures decide.

    `I(u) > I(v)` exactly if `AO(B_v) > AO(B_u)`, which `U(B_u) < L(B_v)` proves; `AO(B)` cancels.

    Raises:
        SoundnessAlarm: a pair is decided both ways.
    """
    above = overlaps.group_upper[:, None] < overlaps.group_lower[None, :]
    return Order(closure(above))


def decided(query: Query, overlaps: Overlaps, device: str = "auto") -> tuple[Order, str]:
    """Every pair that the enclosures or the exchange rule decide.

    Args:
        query: what was asked.
        overlaps: its enclosures, with the rows' bounds where they were kept.
        device: where to compute.

    Returns:
        The order, and why the exchange rule had no part in it, "" where it had.
    """
    plain = order(overlaps)
    try:
        raised = exchange(query, overlaps, device=device)
    except (UnsupportedBoundError, OutOfMemoryError, SettingError) as error:
        return plain, f"order from enclosures alone: {error}"
    return Order(closure(plain.above | raised.above())), ""


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
            f"group {loops[0]} counts more than itself: a cycle among decided pairs"
        )
    return reach
