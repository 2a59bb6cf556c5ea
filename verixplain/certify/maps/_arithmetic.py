"""Arithmetic on what encloses gradients: factors, sums over points, sums over groups.

The numbers of a region go through a few products and sums after the gradient; rounding is added
to `rest` and to the ends of the intervals at every step, so that every region holds the real
scores. `above` goes the same way: weights on scores become weights on gradients. They must be
small whole numbers, so that forming them costs nothing.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from verixplain.bounds.enclosure import UNIT64, gamma
from verixplain.bounds.jacobian import Gradients
from verixplain.bounds.products import chords
from verixplain.features import Groups

Region = Gradients
"""Where scores lie over boxes, one row a box: `inputs` may be inputs, or groups of them."""

_TINY = 2.0**-1000

_TOGETHER = 128
"""Linear bounds that are made together."""


def down(values: Tensor) -> Tensor:
    """The next smaller numbers."""
    return torch.nextafter(values, torch.full_like(values, -torch.inf))


def up(values: Tensor) -> Tensor:
    """The next larger numbers."""
    return torch.nextafter(values, torch.full_like(values, torch.inf))


def size(region: Region) -> Tensor:
    """At least `|centre| + sum |symbols|`."""
    terms = region.symbols.shape[1] + 2
    return (region.centre.abs() + region.symbols.abs().sum(1)) * (1 + 2 * gamma(terms, UNIT64))


def between(low: Tensor, high: Tensor) -> Region:
    """All that lies between two ends, without symbols."""
    middle = (low + high) / 2
    rest = torch.maximum(high - middle, middle - low)
    rest = torch.where(low == high, 0.0, up(rest))
    return Region(low, high, middle, middle.new_zeros(len(low), 0, low.shape[1]), rest)


def times(low: Tensor, high: Tensor, least: Tensor, most: Tensor) -> tuple[Tensor, Tensor]:
    """The product of two intervals, rounded outward."""
    products = torch.stack([least * low, least * high, most * low, most * high])
    return down(products.amin(0) - _TINY), up(products.amax(0) + _TINY)


def scaled(region: Region, least: Tensor, most: Tensor) -> Region:
    """Every score times a factor of its own, anywhere in `[least, most]`.

    Args:
        region: of rows.
        least, most: ends of the factors, (rows or 1, inputs).
    """
    middle = (least + most) / 2
    radius = torch.maximum(most - middle, middle - least)
    radius = torch.where(least == most, 0.0, up(radius))
    whole = size(region)
    reach = (whole + region.rest) * (1 + 4 * UNIT64)
    reach = torch.minimum(reach, torch.maximum(region.lower.abs(), region.upper.abs()))
    lost = 2 * UNIT64 * middle.abs() * whole
    rest = middle.abs() * region.rest + radius * reach + lost
    low, high = times(region.lower, region.upper, least, most)
    known = chords((least, most), (region.lower, region.upper))

    def above(weights: Tensor, row: int) -> Tensor:
        lines = replace(known, **{name: one[row] for name, one in vars(known).items()})
        lost = (weights.abs() @ lines.slack) * (1 + 2 * gamma(weights.shape[1] + 4, UNIT64))
        return up(above_of(region, lines.under(weights), row) + lost)

    return Region(
        low,
        high,
        region.centre * middle,
        region.symbols * middle[:, None],
        rest * (1 + 16 * UNIT64) + _TINY,
        region.above and above,
        region.names,
    )


def above_of(region: Region, weights: Tensor, row: int) -> Tensor:
    """Upper bounds of weighed sums of a row, of a region that has them."""
    return region.above(weights, row)  # type: ignore[misc]


def added(region: Region) -> Region:
    """The sum of the rows, whose symbols have nothing to do with each other: one row."""
    count = len(region.centre)
    slack = gamma(count + 4, UNIT64)
    symbols = region.symbols.flatten(0, 1)
    symbols = symbols[(symbols != 0).any(1)]
    middle = region.centre.sum(0)
    rest = region.rest.sum(0) * (1 + 2 * slack) + 2 * slack * region.centre.abs().sum(0)
    low, high = _ends(region, lambda part: part.sum(0), slack)

    def above(weights: Tensor, _: int) -> Tensor:
        parts = torch.stack([above_of(region, weights, row) for row in range(count)])
        return up(parts.sum(0) + 2 * slack * parts.abs().sum(0))

    ends = low[None], high[None], middle[None], symbols[None], (rest + _TINY)[None]
    return Region(*ends, region.above and above)


def merged(parts: list[Region]) -> Region:
    """Rows one after the other; row i of each has its own symbols."""
    if len(parts) == 1:
        return parts[0]
    most = max(part.symbols.shape[1] for part in parts)

    def padded(symbols: Tensor) -> Tensor:
        return torch.nn.functional.pad(symbols, (0, 0, 0, most - symbols.shape[1]))

    places = [(part, row) for part in parts for row in range(len(part.centre))]

    def above(weights: Tensor, row: int) -> Tensor:
        part, own = places[row]
        return above_of(part, weights, own)

    return Region(
        torch.cat([part.lower for part in parts]),
        torch.cat([part.upper for part in parts]),
        torch.cat([part.centre for part in parts]),
        torch.cat([padded(part.symbols) for part in parts]),
        torch.cat([part.rest for part in parts]),
        above if all(part.above for part in parts) else None,
    )


def rows(region: Region) -> list[Region]:
    """Every row by itself, without the symbols that it does not have."""
    found = []
    for row, symbols in enumerate(region.symbols):
        own, part = (symbols != 0).any(1), slice(row, row + 1)
        found.append(
            Region(
                region.lower[part],
                region.upper[part],
                region.centre[part],
                symbols[own][None],
                region.rest[part],
                region.above and partial(_of_row, region, row),
                None if region.names is None else region.names[own],
            )
        )
    return found


def _of_row(region: Region, row: int, weights: Tensor, _: int) -> Tensor:
    return above_of(region, weights, row)


def grouped(region: Region, groups: Groups) -> Region:
    """The sum of every group's scores."""
    members, device = groups.members, region.centre.device
    if all(len(one) == 1 for one in members):
        picked = torch.as_tensor([int(one[0]) for one in members], device=device)

        def put(weights: Tensor, row: int) -> Tensor:
            whole = weights.new_zeros(len(weights), region.lower.shape[1])
            return above_of(region, whole.index_add_(1, picked, weights), row)

        return replace(
            region,
            lower=region.lower[:, picked],
            upper=region.upper[:, picked],
            centre=region.centre[:, picked],
            symbols=region.symbols[..., picked],
            rest=region.rest[:, picked],
            above=region.above and put,
        )
    numbers = torch.as_tensor([u for u, one in enumerate(members) for _ in one], device=device)
    inputs = torch.as_tensor([int(i) for one in members for i in one], device=device)

    def sums(part: Tensor) -> Tensor:
        total = part.new_zeros(*part.shape[:-1], len(members))
        return total.index_add_(-1, numbers, part[..., inputs])

    slack = gamma(max(len(one) for one in members) + 4, UNIT64)
    rest = sums(region.rest) * (1 + 2 * slack) + 2 * slack * sums(size(region)) + _TINY
    low, high = _ends(region, sums, slack)

    def spread(weights: Tensor, row: int) -> Tensor:
        whole = weights.new_zeros(len(weights), region.lower.shape[1])
        return above_of(region, whole.index_add_(1, inputs, weights[:, numbers]), row)

    above = region.above and spread
    parts = low, high, sums(region.centre), sums(region.symbols), rest
    return Region(*parts, above, region.names)


def _ends(region: Region, sums: Callable[[Tensor], Tensor], slack: float) -> tuple[Tensor, Tensor]:
    """Sums of the ends of intervals, rounded outward."""
    below = sums(region.lower) - 2 * slack * sums(region.lower.abs()) - _TINY
    above = sums(region.upper) + 2 * slack * sums(region.upper.abs()) + _TINY
    return down(below), up(above)


def cut(region: Region) -> Region:
    """The same, its intervals cut with what the symbols know."""
    terms = region.symbols.shape[1] + 4
    reach = (region.symbols.abs().sum(1) + region.rest) * (1 + 2 * gamma(terms, UNIT64))
    low = torch.maximum(region.lower, down(region.centre - up(reach)))
    high = torch.minimum(region.upper, up(region.centre + up(reach)))
    return replace(region, lower=low, upper=high)


def narrowed(region: Region) -> Region:
    """The same, the intervals of its only row cut with linear bounds."""
    if region.above is None:
        return region
    unit = torch.eye(region.lower.shape[1], dtype=region.lower.dtype, device=region.lower.device)
    high = [region.above(part, 0) for part in unit.split(_TOGETHER)]
    low = [-region.above(-part, 0) for part in unit.split(_TOGETHER)]
    return replace(
        region,
        lower=torch.maximum(region.lower, torch.cat(low)[None]),
        upper=torch.minimum(region.upper, torch.cat(high)[None]),
    )
