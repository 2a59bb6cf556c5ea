"""What lines at ReLUs cost a backward pass on the tighter intervals of groups.

The line that a pass takes at a ReLU holds on the interval of the whole box. On a group's tighter
interval it is at least some slack off; times the coefficients of the pass, that comes off the
bounds of all neurons after it.

Source: ours.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from verixplain.bounds.enclosure import UNIT
from verixplain.bounds.sparse import sparse

Line = tuple[Tensor, Tensor, Tensor]
"""Slope and offset of a line above a ReLU, and slope of the line below, through zero."""


@dataclass(frozen=True)
class Slack:
    """How far lines are from ReLUs on every B_u, at the least.

    Args:
        index: numbers of the neurons.
        over, under: of the lines above and below, (groups, neurons), sparse.
    """

    index: Tensor
    over: Tensor
    under: Tensor

    def gain(self, rows: Tensor, side: int) -> Tensor:
        """What comes off upper bounds (side +1), or is added to lower ones (-1): (groups, rows).

        Args:
            rows: coefficients of the ReLUs, (rows, numbers of the value).
        """
        rows = side * rows[:, self.index].T.contiguous()
        gain = rows.new_zeros((len(self.over), rows.shape[1]))
        gain = torch.addmm(gain, self.over, rows.clamp(min=0))
        gain = torch.addmm(gain, self.under, rows.clamp(max=0), alpha=-1)
        return gain * (1 - 4 * (len(rows) + 4) * UNIT[rows.dtype])  # the sums are rounded


def slack_of(
    index: Tensor,
    lower: Tensor,
    upper: Tensor,
    whole: tuple[Tensor, Tensor],
    line: Line,
) -> Slack:
    """The slack of lines on every B_u, rounded down.

    Args:
        index: numbers of the neurons.
        lower, upper: their ends over every B_u, (groups, neurons).
        whole: their ends over B, (neurons,), for which the lines were made.
        line: of each, (neurons,).
    """
    tighter = (lower > whole[0]) | (upper < whole[1])  # else nothing is gained
    group, place = tighter.nonzero(as_tuple=True)
    begins = torch.cat([group.new_zeros(1), tighter.sum(1).cumsum(0)])
    over, under = _off(lower[group, place], upper[group, place], *(part[place] for part in line))
    over, under = (sparse(begins, place, part, lower.shape) for part in (over, under))
    return Slack(index, over, under)


def _off(
    lower: Tensor, upper: Tensor, slope: Tensor, offset: Tensor, flat: Tensor
) -> tuple[Tensor, Tensor]:
    """How far the lines above and below are from ReLUs over [lower, upper], rounded down."""
    # relu(z) - slope z is convex: largest at an end. relu(z) - flat z is smallest at an end or,
    # where the interval holds zero, zero.
    ends = [end.clamp(min=0) - slope * end for end in (lower, upper)]
    over = offset - torch.maximum(*ends)
    under = torch.maximum((1 - flat) * lower, -flat * upper)
    sizes = lower.abs() + upper.abs() + offset.abs()
    error = 8 * UNIT[lower.dtype] * sizes + torch.finfo(lower.dtype).tiny
    return (over - error).clamp(min=0), (under - error).clamp(min=0)
