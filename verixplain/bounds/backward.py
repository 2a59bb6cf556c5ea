"""Backward passes over a plan: rows of coefficients, each with relaxations of its own.

A pass carries *upper* bounds: it starts from rows on some value and ends with an affine function
of the input that lies above each of them, rounding included. A lower bound is the upper bound of
the negated row. Rows are independent, so a batch may hold many neurons under one box, or one row
under many boxes; lines are given per row or shared.

It is the algorithm of CROWN (Zhang et al. 2018, arXiv:1811.00866), written for batches of
sub-boxes whose lines differ; for one box at a time auto_LiRPA is the engine.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import grad

from verixplain.bounds.relaxation import Lines, lines, pool_lines
from verixplain.network.primitives import (
    Affine,
    Conv,
    Linear,
    MatrixProduct,
    MaxPool,
    Plan,
    Primitive,
    Product,
    Univariate,
)


@dataclass(frozen=True)
class Open:
    """Bounds of a value over many boxes that differ only in some of its numbers.

    Args:
        lower, upper: what holds for all boxes, (1, *shape).
        index: the numbers that are bounded box by box, flattened; all others are stable, so
            piecewise linear functions are linear there.
        lowest, highest: bounds of those: (rows, numbers).
    """

    lower: Tensor
    upper: Tensor
    index: Tensor
    lowest: Tensor
    highest: Tensor

    def full(self) -> tuple[Tensor, Tensor]:
        """Bounds of every number: (rows, *shape)."""
        return self._filled(self.lower, self.lowest), self._filled(self.upper, self.highest)

    def _filled(self, shared: Tensor, own: Tensor) -> Tensor:
        values = shared.flatten(1).repeat(len(own), 1)
        values[:, self.index] = own
        return values.reshape(-1, *shared.shape[1:])


Bounded = Mapping[str, "tuple[Tensor, Tensor] | Open"]
"""Rigorous bounds of the inputs of relaxed steps: (rows or 1, *shape) each."""


@dataclass(frozen=True)
class Above:
    """`slopes . z + constant` lies above every row on the box.

    Slopes are (rows, inputs), constants (rows,).
    """

    slopes: Tensor
    constant: Tensor


def above(
    plan: Plan,
    start: str,
    rows: Tensor,
    bounded: Bounded,
    sizes: Callable[[str], Tensor],
    lower_slopes: Mapping[str, Tensor] | None = None,
    added: Mapping[str, Tensor] | None = None,
    seen: dict[str, Tensor] | None = None,
) -> Above:
    """An affine upper bound of `rows . value(start)` in terms of the input.

    Args:
        plan: the network, in the precision and on the device of the rows.
        start: the value that the rows act on.
        rows: (rows, *shape of the value).
        bounded: bounds that the relaxations are made from.
        sizes: name of a value -> what rounding can do there (`disturbance`), (1, *shape).
        lower_slopes: slopes below piecewise linear functions, by name of their input; between
            the function's own two slopes. By default those of least area.
        added: coefficients to add at a value, by its name, where their product with it is known
            not to be negative: multipliers of constraints.
        seen: is told the coefficients on the outputs of univariate steps, by name of their input.
    """
    added, seen = added or {}, {} if seen is None else seen
    pending = {start: rows}
    constant = rows.new_zeros(len(rows))
    for step in reversed(plan.steps):
        row = pending.pop(step.name, None)
        if row is None:
            continue
        if step.name in added:
            row = row + added[step.name]
        if isinstance(step.kind, Univariate):
            seen[step.inputs[0]] = row.detach()
        constant = constant + _weighed(row, sizes(step.name))
        chosen = None if lower_slopes is None else lower_slopes.get(step.inputs[0])
        pulled, bias = _through(step, row, plan, bounded, chosen)
        if bias is not None:
            constant = constant + bias
        for name, part in zip(step.inputs, pulled, strict=True):
            pending[name] = part if name not in pending else pending[name] + part
    slopes = pending[plan.input]
    constant = constant + _weighed(slopes, sizes(plan.input))
    return Above(slopes.flatten(1), constant)


def _weighed(rows: Tensor, size: Tensor) -> Tensor:
    """`|rows| . size`: one number a row."""
    if len(size) == 1:
        return rows.flatten(1).abs() @ size.flatten()
    return (rows.abs() * size).flatten(1).sum(1)


def _through(
    step: Primitive, rows: Tensor, plan: Plan, bounded: Bounded, chosen: Tensor | None
) -> tuple[list[Tensor], Tensor | None]:
    """One step backwards: the rows on each input, and what is added to the constant."""
    kind = step.kind
    if isinstance(kind, Affine):
        offset = kind.offset()
        bias = None if offset is None else _dot(rows, offset)
        return pull_back(kind, rows, [plan.shapes[name] for name in step.inputs]), bias
    if isinstance(kind, Univariate):
        ends = bounded[step.inputs[0]]
        if isinstance(ends, Open) and kind.native is not None:
            return _piecewise(kind, rows, ends, chosen)
        found = univariate_lines(kind, *_ends(ends), chosen)
        positive, negative = rows.clamp(min=0), rows.clamp(max=0)
        bias = _dot(positive, found.upper_offset) + _dot(negative, found.lower_offset)
        return [positive * found.upper_slope + negative * found.lower_slope], bias
    if isinstance(kind, MaxPool):
        found = pool_lines(kind, *_ends(bounded[step.inputs[0]]))
        positive, negative = rows.clamp(min=0)[..., None], rows.clamp(max=0)[..., None]
        slopes = kind.joined(positive * found.upper_slope + negative * found.lower_slope)
        return [slopes], _dot(rows.clamp(min=0), found.upper_offset)
    one, two = (_ends(bounded[name]) for name in step.inputs)
    return _product(kind, rows, one, two)


def _ends(ends: tuple[Tensor, Tensor] | Open) -> tuple[Tensor, Tensor]:
    return ends.full() if isinstance(ends, Open) else ends


def _piecewise(
    kind: Univariate, rows: Tensor, ends: Open, chosen: Tensor | None
) -> tuple[list[Tensor], Tensor]:
    """A piecewise linear function that is linear but at the numbers `ends.index`."""
    index, flat = ends.index, rows.flatten(1)
    stable = _slopes(ends.lower >= 0, _flat_slope(kind), rows).flatten(1)
    at = flat[:, index]
    picked = None if chosen is None else chosen.flatten(1)[:, index]
    found = univariate_lines(kind, ends.lowest, ends.highest, picked)
    slopes = flat * stable
    slopes[:, index] = at * torch.where(at > 0, found.upper_slope, found.lower_slope)
    return [slopes.reshape(rows.shape)], (at.clamp(min=0) * found.upper_offset).sum(1)


def _flat_slope(kind: Univariate) -> float:
    """The slope on the negative side of `max(x, slope x)`."""
    return float(dict(kind.parameters).get("alpha", 0.0))


def _slopes(active: Tensor, flat: float, like: Tensor) -> Tensor:
    """1 where active, else `flat`; not through torch.where of two numbers, which is in float32."""
    return torch.full(active.shape, flat, dtype=like.dtype, device=like.device).masked_fill(
        active, 1.0
    )


def univariate_lines(
    kind: Univariate, low: Tensor, high: Tensor, chosen: Tensor | None = None
) -> Lines:
    """The lines of a function on intervals; piecewise linear ones in closed form.

    Args:
        kind: the function.
        low, high: ends of the intervals.
        chosen: slopes of the lower line where the interval holds the kink.
    """
    if kind.native is None:
        return lines(kind, low, high)
    flat = _flat_slope(kind)
    left, right = low.clamp(max=0), high.clamp(min=0)
    # Of an interval without the kink one end is now 0, and the chord is the function.
    share = right / (right - left).clamp_(min=torch.finfo(low.dtype).tiny)
    upper = share if flat == 0 else flat + (1 - flat) * share
    if chosen is None:
        lower = _slopes(right > -left, flat, low)
    else:
        lower = torch.where((left < 0) & (right > 0), chosen, upper)
    return Lines(lower, torch.zeros_like(low), upper, right * (1 - upper))


def _product(
    kind: Product | MatrixProduct, rows: Tensor, one: tuple, two: tuple
) -> tuple[list[Tensor], Tensor]:
    """McCormick: the mean of the two planes above and of the two below; both have one slope."""
    (a, b), (c, d) = one, two
    middle, other = (a + b) / 2, (c + d) / 2
    below = -(kind(a, c) + kind(b, d)) / 2
    over = -(kind(b, c) + kind(a, d)) / 2
    count = len(rows)
    first, second = (t.expand(count, *t.shape[1:]) for t in (middle, other))
    with torch.enable_grad():
        points = [torch.zeros_like(t).requires_grad_() for t in (first, second)]
        value = ((kind(points[0], second) + kind(first, points[1])) * rows).sum()
        pulled = torch.autograd.grad(value, points, create_graph=rows.requires_grad)
    bias = _dot(rows.clamp(min=0), over) + _dot(rows.clamp(max=0), below)
    return list(pulled), bias


def pull_back(kind: Affine, rows: Tensor, shapes: list[tuple[int, ...]]) -> list[Tensor]:
    """The transpose of an affine map's linear part, applied to rows."""
    if isinstance(kind, Linear):
        return [rows @ kind.weight]
    if isinstance(kind, Conv) and not kind.transposed:
        transpose = getattr(grad, f"conv{kind.dimensions}d_input")
        return [transpose((len(rows), *shapes[0]), kind.weight, rows, **kind.settings)]
    with torch.enable_grad():
        points = [rows.new_zeros(len(rows), *shape).requires_grad_() for shape in shapes]
        value = (kind.linear(*points) * rows).sum()
        return list(torch.autograd.grad(value, points, create_graph=rows.requires_grad))


def _dot(rows: Tensor, values: Tensor) -> Tensor:
    """The inner product of every row with its values, or with shared ones: (rows,)."""
    if values.ndim == rows.ndim and len(values) > 1:
        return (rows * values).flatten(1).sum(1)
    return rows.flatten(1) @ values.expand(1, *rows.shape[1:]).flatten()
