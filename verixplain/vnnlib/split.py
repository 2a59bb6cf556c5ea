"""Complete-ish for few inputs: halve boxes until every part is decided.

The branch and bound over neurons will stand beside this, behind the same function.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch

from verixplain.vnnlib.bounding import bounds_of
from verixplain.vnnlib.deadline import Deadline
from verixplain.vnnlib.rows import Rows
from verixplain.vnnlib.search import Search, Witness

if TYPE_CHECKING:
    from verixplain.network import Network

FEW = 32
"""Free inputs up to which halving boxes is worth a try."""

MOST_BOXES = 1_000_000

MOST_ROWS = 16
"""Whose slopes say where a box is cut."""

Told = Callable[[str], None]


def split(
    network: "Network",
    rows: Rows,
    search: Search,
    method: str,
    deadline: Deadline,
    told: Told,
    batch: int = 512,
) -> tuple[bool, Witness | None]:
    """Whether no point of the box is unsafe, or a counterexample.

    Args:
        network: the network.
        rows: the region's constraints.
        search: judges the middles of boxes.
        method: bound method.
        deadline: when to stop.
        told: hears of progress.
        batch: boxes bounded at once.

    Returns:
        (True, None) where every part is excluded, (False, witness), or (False, None) where the
        time or the number of boxes ran out.
    """
    shape = network.input_shape
    low, high = rows.lower[None].copy(), rows.upper[None].copy()
    done = 0
    while len(low):
        if deadline.passed or done > MOST_BOXES:
            return False, None
        part_low, part_high = low[-batch:], high[-batch:]
        low, high = low[:-batch], high[:-batch]
        excluded = rows.excluded(*bounds_of(network, rows, part_low, part_high, method))
        done += len(part_low)
        open_ = ~rows.any_of(excluded).all(axis=1)
        part_low, part_high = part_low[open_], part_high[open_]
        if len(part_low):
            middles = part_low / 2 + part_high / 2
            witness = search.at(middles.reshape(-1, *shape))
            if witness is not None:
                return False, witness
            halves = _halves(search, part_low, part_high, middles)
            if halves is None:
                return False, None
            low, high = np.concatenate([low, halves[0]]), np.concatenate([high, halves[1]])
        told(f"{done:,} boxes bounded, {len(low):,} open")
    return True, None


def _halves(
    search: Search, low: np.ndarray, high: np.ndarray, middles: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """Both halves of every box, cut where the width times the slope is largest."""
    width, weight = high - low, np.zeros_like(high)
    points = torch.tensor(middles.reshape(-1, *search.network.input_shape), dtype=search.low.dtype)
    with torch.enable_grad():
        points.requires_grad_()
        values = search.slack(points).sum(0)
        for value in values[:MOST_ROWS]:
            (slope,) = torch.autograd.grad(value, points, retain_graph=True, allow_unused=True)
            if slope is not None:
                weight += np.abs(slope.flatten(1).double().numpy())
    weight += 1e-2 * weight.max(axis=1, keepdims=True) + 1e-12
    axis = (width * weight).argmax(axis=1)
    each = np.arange(len(low))
    cut = middles[each, axis]
    if not ((low[each, axis] < cut) & (cut < high[each, axis])).all():
        return None  # a box too thin to cut: float64 ends here
    left, right = high.copy(), low.copy()
    left[each, axis], right[each, axis] = cut, cut
    return np.concatenate([low, right]), np.concatenate([left, high])
