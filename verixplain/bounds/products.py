"""Linear bounds of gradients: products with derivatives are relaxed by lines.

Where a derivative d lies in [a, b] and the gradient g that it is multiplied with in [l, u], the
product lies between two lines in g, the chords of the two envelopes of the box of d and g:

    (a + (1 - t) w) g - k w  <=  d g  <=  (a + t w) g + k w,
    w = b - a,  t = U / (U - L),  k = -U L / (U - L),  L = min(l, 0),  U = max(u, 0).

So a row on the gradient at one value becomes a row on the gradient at the values after it, and in
the end on the gradient at the output, which is known: it is the row that is explained. Intervals
forget what the entries of a gradient have in common, this does not; a zonotope needs the two lines
parallel, this does not.

Rows are taken as exact once they are computed. What rounding loses at a step is at most
`|row| . slack`, with one tensor a step (as in `enclosure`).

Source: Shi et al. 2022, arXiv:2210.07394, for ReLU; the same lines for any derivative are ours.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from verixplain.bounds.enclosure import UNIT64, gamma
from verixplain.errors import BoundFailedError
from verixplain.network.primitives import Affine, MaxPool, Plan, Primitive

Ends = tuple[Tensor, Tensor]
"""Lower and upper ends of intervals that hold a value over boxes: (boxes or 1, *shape)."""

_TINY = 2.0**-1000
_TOGETHER = 2**22
"""Numbers of one value that are carried together."""


@dataclass(frozen=True)
class Chords:
    """`below g - slack <= d g <= above g + slack`, rounding included."""

    above: Tensor
    below: Tensor
    slack: Tensor

    def under(self, rows: Tensor) -> Tensor:
        """Rows on the products as rows on g, but for `|rows| . slack`; they are bounds above."""
        return rows.clamp(min=0) * self.above + rows.clamp(max=0) * self.below


def chords(derivative: Ends, gradient: Ends, terms: int = 1) -> Chords:
    """The lines of a product.

    Args:
        derivative, gradient: where the two factors lie.
        terms: how many products of a row are added up afterwards.
    """
    (least, most), low, high = derivative, gradient[0].clamp(max=0), gradient[1].clamp(min=0)
    width, reach = most - least, high - low
    share = torch.where(reach > 0, high / torch.where(reach > 0, reach, 1.0), 0.5)
    size = torch.maximum(-low, high) * (least.abs() + most.abs())
    slack = -low * share * width * (1 + 16 * UNIT64) + gamma(terms + 32, UNIT64) * size + _TINY
    return Chords(least + share * width, least + (1 - share) * width, slack)


@dataclass(frozen=True)
class Products:
    """The part of the backward graph that a pass has gone through, from the output on.

    Args:
        plan: the network, in float64.
        rows: the gradient at the output, one row a box, (boxes, *output shape).
    """

    plan: Plan
    rows: Tensor
    _chords: dict[str, Chords] = field(default_factory=dict)
    _slacks: dict[str, list[Tensor]] = field(default_factory=dict)

    def affine(self, step: Primitive, terms: int, sizes: list[Tensor], loose: float) -> None:
        """Go through an affine step.

        Args:
            step: the step.
            terms: the longest sum in it.
            sizes: at least `|A|^T |g|`, for each of its inputs, (boxes, *shape).
            loose: by how much, relatively, each number of A may be another.
        """
        lost = (gamma(terms + 8, UNIT64) + loose) * (1 + 8 * UNIT64)
        self._slacks[step.name] = [lost * size + _TINY for size in sizes]

    def product(self, step: Primitive, derivative: Ends, gradient: Ends) -> None:
        """Go through a step with derivatives.

        Args:
            step: the step.
            derivative: where they lie, (boxes or 1, *shape of the step's input).
            gradient: where lies what each is multiplied with, (boxes, *the same shape).
        """
        window = 1
        for size in step.kind.kernel if isinstance(step.kind, MaxPool) else ():
            window *= size
        found = chords(derivative, gradient, window)
        self._chords[step.name], self._slacks[step.name] = found, [found.slack]

    def cut(self, name: str, ends: Ends, wanted: Tensor) -> Ends:
        """The interval of the gradient at a value, cut with its linear bounds.

        Args:
            name: the value; all steps after it have been gone through.
            ends: what is known, (boxes, *shape).
            wanted: the entries that are of use, (boxes or 1, *shape).
        """
        low, high = ends
        places = (wanted & (low < high)).flatten(1).any(0).nonzero().flatten()
        if not self._chords or not len(places):
            return ends
        boxes, shape = len(low), low.shape[1:]
        low, high = low.flatten(1).clone(), high.flatten(1).clone()
        for part in places.split(self._together()):
            rows = torch.zeros(len(part), low.shape[1], dtype=low.dtype, device=low.device)
            rows[torch.arange(len(part)), part] = 1.0
            rows = rows.reshape(-1, *shape)
            high[:, part] = torch.minimum(high[:, part], self.above(name, rows))
            low[:, part] = torch.maximum(low[:, part], -self.above(name, -rows))
        return low.reshape(boxes, *shape), high.reshape(boxes, *shape)

    def _together(self) -> int:
        """How many rows are carried together."""
        sizes = (size[0].numel() for one in self._slacks.values() for size in one)
        return max(1, _TOGETHER // (len(self.rows) * max(sizes)))

    def above(self, name: str, rows: Tensor, boxes: slice = slice(None)) -> Tensor:
        """Upper bounds of `rows . gradient` at a value: (boxes, rows).

        Args:
            name: the value; all steps after it have been gone through.
            rows: (rows, *shape of the value).
            boxes: those that are asked about.

        Raises:
            BoundFailedError: a bound overflows.
        """
        explained = self.rows[boxes].flatten(1)[..., None]
        many, count = len(explained), len(rows)
        pending = {name: rows.expand(many, *rows.shape)}
        constant, longest = rows.new_zeros(many, count), explained.shape[1]
        last_use = {one: step.name for step in self.plan.steps for one in step.inputs}
        for step in self.plan.steps:
            if step.name not in self._slacks or not any(one in pending for one in step.inputs):
                continue
            parts = []
            for one, slack in zip(step.inputs, self._slacks[step.name], strict=True):
                part = pending.get(one)
                if part is None:
                    part = rows.new_zeros(many, count, *self.plan.shapes[one])
                constant = constant + _weighed(part, _of(slack, boxes))
                longest = max(longest, part[0, 0].numel())
                parts.append(part)
            for one in step.inputs:
                if last_use[one] == step.name:
                    pending.pop(one, None)
            pending[step.name] = self._through(step, parts, boxes)
        last = pending[self.plan.output].flatten(2)
        slack = 4 * gamma(longest + len(self.plan.steps) + 32, UNIT64)
        whole = slack * (last.abs() @ explained.abs())[..., 0]
        found = (last @ explained)[..., 0] + constant * (1 + slack) + whole + _TINY
        if not bool(torch.isfinite(found).all()):
            raise BoundFailedError("a linear bound of the gradient overflows; try a smaller box")
        return torch.nextafter(found, torch.full_like(found, torch.inf))

    def _through(self, step: Primitive, parts: list[Tensor], boxes: slice) -> Tensor:
        """Rows on the gradient at a step's inputs, as rows on that at its output."""
        if isinstance(step.kind, Affine):
            found = step.kind.linear(*(part.flatten(0, 1) for part in parts))
            return found.unflatten(0, parts[0].shape[:2])
        known = self._chords[step.name]
        ends = (_of(end, boxes)[:, None] for end in (known.above, known.below, known.slack))
        found = Chords(*ends).under(parts[0])
        return step.kind.windows(found).sum(-1) if isinstance(step.kind, MaxPool) else found


def _of(values: Tensor, boxes: slice) -> Tensor:
    """The part of some boxes; one part may belong to all."""
    return values if len(values) == 1 else values[boxes]


def _weighed(rows: Tensor, sizes: Tensor) -> Tensor:
    """`|rows| . sizes`, (boxes, rows)."""
    return (rows.flatten(2).abs() @ sizes.flatten(1)[..., None])[..., 0]
