"""Linear functions of the input over a box B, and over its parts B_u with a group u frozen.

On `B_u` the extreme of a linear function is a sum over the inputs that are not frozen, so what it
says of *all* groups is one product of contributions and memberships. All is counted in offsets
from the box's center, rounded outward.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from verixplain.bounds import Engine
from verixplain.bounds.enclosure import UNIT
from verixplain.bounds.sparse import sparse
from verixplain.features import Groups
from verixplain.query import Box


class Frozen:
    """Extremes of linear functions over B, or a face of it, and over every B_u.

    Args:
        engine: precision and device.
        box: B.
        groups: any.
        face: lower and upper ends of what inputs do where they are not frozen; else the box.
        held: lower and upper ends of where the inputs of a frozen group lie; else the center.
        size: gives what rounding at the input can do for each unit of a coefficient, (inputs,).
    """

    def __init__(
        self,
        engine: Engine,
        box: Box,
        groups: Groups,
        face: tuple[np.ndarray, np.ndarray] | None,
        held: tuple[np.ndarray, np.ndarray] | None,
        size: Callable[[], Tensor],
    ) -> None:
        self.engine, self.groups, self.size = engine, groups, size
        middle = engine.tensor(box.center)
        self.center = middle.to(engine.dtype).flatten()
        self.ends = engine.tensor(box.lower), engine.tensor(box.upper)
        self.whole = self._offsets(middle, *self.ends) if face is not None else None
        if face is not None:
            self.ends = engine.tensor(face[0]), engine.tensor(face[1])
        self.low, self.high = self._offsets(middle, *self.ends)
        self.still, self.held = (middle, middle), None
        if held is not None:
            self.still = engine.tensor(held[0]), engine.tensor(held[1])
            self.held = self._offsets(middle, *self.still)
        low, high = self.low, self.high
        if self.held is not None:
            low, high = low - self.held[0], high - self.held[1]
        self.middles, self.radii = self._table((high + low) / 2), self._table((high - low) / 2)
        self._unit = 8 * UNIT[engine.dtype] if engine.widen else 0.0
        moving = ((self.low < 0) | (self.high > 0)).to(engine.dtype)
        self.share = (self._table(moving) @ torch.ones_like(moving)) / moving.sum().clamp(min=1)
        """How much of what can move each group freezes: (groups,), between 0 and 1."""

    def _table(self, values: Tensor) -> Tensor:
        """Each group's inputs with their values, (groups, inputs), sparse."""
        members = [np.sort(inputs) for inputs in self.groups.members]
        begins = torch.as_tensor(np.cumsum([0, *map(len, members)]), device=values.device)
        inputs = torch.as_tensor(np.concatenate(members), device=values.device)
        return sparse(begins, inputs, values[inputs], (len(members), len(values)))

    def _offsets(self, middle: Tensor, lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
        """Ends from the center, (inputs,) each, rounded outward."""
        low, high = self.engine.outward(lower - middle, upper - middle)
        # The differences were rounded in float64: one step further out, but never across zero.
        return _widened(low, -torch.inf).flatten(), _widened(high, torch.inf).flatten()

    def moves(self, slopes: Tensor) -> Tensor:
        """How much each input adds to a row's maximum, beyond its value at the center."""
        return slopes * torch.where(slopes > 0, self.high, self.low)

    def held_moves(self, slopes: Tensor) -> Tensor | None:
        """The same of inputs that are frozen; None where they do not move."""
        if self.held is None:
            return None
        return slopes * torch.where(slopes > 0, self.held[1], self.held[0])

    def largest(self, slopes: Tensor, held: Tensor | None = None) -> Tensor:
        """The maxima of linear functions, each over its sub-box: (n,).

        Args:
            slopes: (n, inputs).
            held: (n, inputs), True where an input is frozen; by default none is.
        """
        moves = self.moves(slopes)
        if held is not None:
            still = self.held_moves(slopes)
            moves = torch.where(held, 0.0 if still is None else still, moves)
        return slopes @ self.center + moves.sum(1)

    def over_groups(self, whole: Tensor, slopes: Tensor, side: int) -> Tensor:
        """Bounds over every B_u, from those over B and their coefficients: (rows, groups).

        Args:
            whole: bounds over B, (rows,).
            slopes: coefficients of the input, (rows, inputs).
            side: +1 for upper bounds, -1 for lower ones.
        """
        return self.without(self.of_groups(slopes), whole, side).T

    def of_groups(self, slopes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What every group's inputs add to linear functions: middle, radius, and rounding.

        Args:
            slopes: coefficients of the input, (rows, inputs).

        Returns:
            (groups, rows) twice, and (rows,).
        """
        slopes = slopes.T.contiguous()
        sizes = slopes.abs()
        # Forming contributions and their sums, each at most |slopes| times the offsets, and what
        # stays of them where a frozen group may still move.
        return self.middles @ slopes, self.radii @ sizes, (6 * self.size()) @ sizes

    def without(self, parts: tuple[Tensor, Tensor, Tensor], whole: Tensor, side: int) -> Tensor:
        """Bounds over B without what each group adds to them (`of_groups`): (groups, rows)."""
        # max(s high, s low) = s middle + |s| radius
        middle, radius, rounding = parts
        begin = whole + side * (rounding + self._unit * whole.abs())
        return begin - middle - side * radius

    def on_face(self, whole: Tensor, slopes: Tensor, side: int) -> Tensor:
        """Bounds over the face from those over the box: other moves of the same coefficients.

        Args:
            whole: bounds over the box, (rows,).
            slopes: coefficients of the input, (rows, inputs).
            side: +1 for upper bounds, -1 for lower ones.
        """
        if self.whole is None:
            return whole
        signed = slopes if side > 0 else -slopes
        low, high = self.whole
        less = (signed * torch.where(signed > 0, high, low) - self.moves(signed)).sum(1)
        margin = slopes.abs() @ (8 * self.size())
        return whole - side * (less - margin)

    def members(self, part: Tensor) -> Tensor:
        """Inputs that each of some groups freezes: (groups, inputs), bool."""
        held = np.zeros((len(part), len(self.center)), dtype=bool)
        for row, u in zip(held, part.tolist(), strict=True):
            row[self.groups.members[u]] = True
        return torch.as_tensor(held, device=part.device)

    def within(self, held: Tensor) -> tuple[Tensor, Tensor]:
        """Ends of sub-boxes, (n, *input shape) each.

        Args:
            held: (n, inputs), True where an input is frozen.
        """
        held = held.reshape(-1, *self.ends[0].shape)
        low, high = (
            torch.where(held, still, end) for still, end in zip(self.still, self.ends, strict=True)
        )
        return low, high

    def furthest(self, slopes: Tensor, held: Tensor) -> np.ndarray:
        """Where linear functions are largest over sub-boxes: (n, *input shape)."""
        ends = torch.where(slopes > 0, self.ends[1].flatten(), self.ends[0].flatten())
        points = torch.where(held, self.still[0].flatten(), ends)
        return points.reshape(-1, *self.ends[0].shape).cpu().numpy()


def _widened(values: Tensor, towards: float) -> Tensor:
    """One step towards an end, where the value is not zero (the center is in the box exactly)."""
    return torch.where(
        values == 0, values, torch.nextafter(values, torch.full_like(values, towards))
    )
