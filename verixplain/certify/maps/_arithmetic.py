"""Arithmetic on what encloses gradients: factors, sums over points, sums over groups.

The numbers of a region go through a few products and sums after the gradient; rounding is added
to `rest` and to the ends of the intervals at every step, so that every region holds the real
scores.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from verixplain.bounds.enclosure import UNIT64, gamma
from verixplain.bounds.jacobian import Gradients
from verixplain.features import Groups

Region = Gradients
"""Where scores lie over boxes, one row a box: `inputs` may be inputs, or groups of them."""

_TINY = 2.0**-1000


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
    return Region(
        low,
        high,
        region.centre * middle,
        region.symbols * middle[:, None],
        rest * (1 + 16 * UNIT64) + _TINY,
    )


def added(region: Region) -> Region:
    """The sum of the rows, whose symbols have nothing to do with each other: one row."""
    count = len(region.centre)
    slack = gamma(count + 4, UNIT64)
    symbols = region.symbols.flatten(0, 1)
    symbols = symbols[(symbols != 0).any(1)]
    middle = region.centre.sum(0)
    rest = region.rest.sum(0) * (1 + 2 * slack) + 2 * slack * region.centre.abs().sum(0)
    low, high = _ends(region, lambda part: part.sum(0), slack)
    return Region(low[None], high[None], middle[None], symbols[None], (rest + _TINY)[None])


def merged(parts: list[Region]) -> Region:
    """Rows one after the other; row i of each has its own symbols."""
    most = max(part.symbols.shape[1] for part in parts)

    def padded(symbols: Tensor) -> Tensor:
        return torch.nn.functional.pad(symbols, (0, 0, 0, most - symbols.shape[1]))

    return Region(
        torch.cat([part.lower for part in parts]),
        torch.cat([part.upper for part in parts]),
        torch.cat([part.centre for part in parts]),
        torch.cat([padded(part.symbols) for part in parts]),
        torch.cat([part.rest for part in parts]),
    )


def rows(region: Region) -> list[Region]:
    """Every row by itself, without the symbols that it does not have."""
    parts = zip(region.lower, region.upper, region.centre, region.symbols, region.rest, strict=True)
    return [
        Region(low[None], high[None], centre[None], own[(own != 0).any(1)][None], rest[None])
        for low, high, centre, own, rest in parts
    ]


def grouped(region: Region, groups: Groups) -> Region:
    """The sum of every group's scores."""
    members, device = groups.members, region.centre.device
    if all(len(one) == 1 for one in members):
        picked = torch.as_tensor([int(one[0]) for one in members], device=device)
        parts = (region.lower, region.upper, region.centre, region.symbols, region.rest)
        return Region(*(part[..., picked] for part in parts))
    numbers = torch.as_tensor([u for u, one in enumerate(members) for _ in one], device=device)
    inputs = torch.as_tensor([int(i) for one in members for i in one], device=device)

    def sums(part: Tensor) -> Tensor:
        total = part.new_zeros(*part.shape[:-1], len(members))
        return total.index_add_(-1, numbers, part[..., inputs])

    slack = gamma(max(len(one) for one in members) + 4, UNIT64)
    rest = sums(region.rest) * (1 + 2 * slack) + 2 * slack * sums(size(region)) + _TINY
    low, high = _ends(region, sums, slack)
    return Region(low, high, sums(region.centre), sums(region.symbols), rest)


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
    return Region(low, high, region.centre, region.symbols, region.rest)
