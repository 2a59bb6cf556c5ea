"""Two lines that hold a function on an interval, for any function described by `Univariate`.

Any slope gives a sound line once its offset is the extreme of `f(x) - slope x`. For the upper
line, the height at the interval's middle is a convex function of the slope, and its minimum is
the concave envelope there: the line of least area. So the best slope is found by a search that
cannot make the line wrong, only looser. Source: ours; for ReLU it gives CROWN's adaptive lines
(Zhang et al. 2018, arXiv:1811.00866).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from verixplain.bounds.enclosure import extremes
from verixplain.network.primitives import MaxPool, Univariate

_SEARCH_STEPS = 24


@dataclass(frozen=True)
class Lines:
    """`lower_slope x + lower_offset <= f(x) <= upper_slope x + upper_offset` on the interval."""

    lower_slope: Tensor
    lower_offset: Tensor
    upper_slope: Tensor
    upper_offset: Tensor


@torch.no_grad()
def lines(kind: Univariate, lower: Tensor, upper: Tensor) -> Lines:
    """The two lines of least area on every interval; all tensors have one shape."""
    middle = (lower + upper) / 2
    width = upper - lower
    tangent = kind.slope(middle)
    wide = width > 1e-9 * (1 + middle.abs())
    chord = (kind.function(upper) - kind.function(lower)) / torch.where(wide, width, 1.0)
    chord = torch.where(wide, chord, tangent)
    bend = kind.curvature(lower, upper)
    high = torch.where(bend > 0, chord, tangent)
    low = torch.where(bend > 0, tangent, chord)
    mixed = (bend == 0) & wide
    if mixed.any():
        ends = lower[mixed], upper[mixed]
        high[mixed] = _search(kind, *ends, sign=1.0)
        low[mixed] = _search(kind, *ends, sign=-1.0)
    # No line is steeper than its function: rounding allowances count on that, and a chord
    # over a hair's breadth is mostly rounding.
    steepest = kind.steepest(lower, upper)
    low, high = torch.clamp(low, -steepest, steepest), torch.clamp(high, -steepest, steepest)
    return Lines(
        low, extremes(kind, low, lower, upper)[0], high, extremes(kind, high, lower, upper)[1]
    )


def _search(kind: Univariate, lower: Tensor, upper: Tensor, sign: float) -> Tensor:
    """The slope whose line is closest at the middle: golden section over a convex function."""
    middle = (lower + upper) / 2
    steepest = kind.steepest(lower, upper)
    left, right = -steepest, steepest.clone()

    def height(slope: Tensor) -> Tensor:
        smallest, largest = extremes(kind, slope, lower, upper)
        return largest + slope * middle if sign > 0 else -(smallest + slope * middle)

    ratio = (5**0.5 - 1) / 2
    for _ in range(_SEARCH_STEPS):
        a, b = right - ratio * (right - left), left + ratio * (right - left)
        smaller = height(a) <= height(b)
        right, left = torch.where(smaller, b, right), torch.where(smaller, left, a)
    return (left + right) / 2


@dataclass(frozen=True)
class PoolLines:
    """Lines for the maximum of a window: slopes (batch, *output shape, window), offsets without.

    The lower line is one of the numbers, so it has no offset.
    """

    lower_slope: Tensor
    upper_slope: Tensor
    upper_offset: Tensor


@torch.no_grad()
def pool_lines(kind: MaxPool, lower: Tensor, upper: Tensor) -> PoolLines:
    """Below: the number with the largest lower end. Above: a line in the largest upper end.

    With `t` the largest upper end of all other numbers, `max(x) <= max(x_i, t)`, a convex
    function of `x_i`, so its chord over `[l_i, u_i]` holds. Source: ours; where one number
    dominates its window both lines are that number.
    """
    low, high = kind.windows(lower), kind.windows(upper)
    best = F.one_hot(low.argmax(-1), low.shape[-1]).to(low)
    place = high.argmax(-1, keepdim=True)
    other = high.scatter(-1, place, -torch.inf).amax(-1)
    begin, end = low.gather(-1, place)[..., 0], high.gather(-1, place)[..., 0]
    chord = ((end - other) / torch.where(end > begin, end - begin, 1.0)).clamp(0.0, 1.0)
    alone = begin >= other
    slope = torch.where(alone, 1.0, chord)
    offset = torch.where(alone, 0.0, other - chord * begin)
    where = F.one_hot(place[..., 0], low.shape[-1]).to(low)
    return PoolLines(best, slope[..., None] * where, offset)
