"""What Resize and Upsample share: nearest and linear interpolation, dimension by dimension.

Coordinates are exact rationals. Where rounding in float32, as runtimes compute them, would decide
otherwise, the node is refused: what it means depends on who runs it.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

import numpy as np
import torch
from torch import Tensor

from verixplain.network.graph import Site, limit, require
from verixplain.network.operators._moves import Map

Numbers = Fraction | np.float32

COORDINATES = {
    "half_pixel": lambda i, scale, old, new, half: (i + half) / scale - half,
    "pytorch_half_pixel": lambda i, scale, old, new, half: (
        (i + half) / scale - half if new > 1 else 0 * half
    ),
    "half_pixel_symmetric": lambda i, scale, old, new, half: (
        half * old * (1 - new / (scale * old)) + (i + half) / scale - half
    ),
    "asymmetric": lambda i, scale, old, new, half: i / scale,
    "align_corners": lambda i, scale, old, new, half: i * (old - 1) / (new - 1) if new > 1 else i,
}
"""`x_original` from `x_resized`, scale, lengths before and after, and one half, all of one type."""

NEAREST = {
    "round_prefer_floor": lambda x, half: ceil(x - half),
    "round_prefer_ceil": lambda x, half: floor(x + half),
    "floor": lambda x, half: floor(x),
    "ceil": lambda x, half: ceil(x),
}


@dataclass(frozen=True)
class Row:
    """How one dimension is resampled: entry i is `(1 - w[i]) x[low[i]] + w[i] x[high[i]]`."""

    low: list[int]
    high: list[int]
    weights: list[Fraction]


def grown(size: int, scale: float) -> int:
    """The length that a dimension of `size` has after scaling."""
    require(0 < scale < 2**20, f"scale {scale}")
    exact = floor(size * Fraction(float(scale)))
    rounded = floor(np.float32(size) * np.float32(scale))
    require(
        exact == rounded and exact > 0,
        f"{size} times {scale} is {exact} exactly but {rounded} when rounded to float32",
    )
    return exact


def nearest(size: int, new: int, scale: Fraction, coordinates: str, rounding: str) -> Row:
    """The row of nearest interpolation."""
    place, pick = COORDINATES[coordinates], NEAREST[rounding]
    low = []
    for i in range(new):
        whole = [Fraction(n) for n in (i, scale, size, new, 0.5)]
        exact = pick(place(*whole), whole[-1])
        single = [np.float32(float(n)) for n in whole]
        rounded = pick(place(*single), single[-1])
        exact, rounded = (min(max(n, 0), size - 1) for n in (exact, rounded))
        require(
            exact == rounded,
            f"entry {i} of {new} is entry {exact} of {size} exactly, but {rounded} when the "
            "coordinate is rounded to float32",
        )
        low.append(exact)
    return Row(low, low, [Fraction(0)] * new)


def linear(size: int, new: int, scale: Fraction, coordinates: str) -> Row:
    """The row of linear interpolation."""
    low, high, weights = [], [], []
    for i in range(new):
        x = COORDINATES[coordinates](
            Fraction(i), scale, Fraction(size), Fraction(new), Fraction(1, 2)
        )
        x = min(max(x, Fraction(0)), Fraction(size - 1))
        low.append(floor(x))
        high.append(min(floor(x) + 1, size - 1))
        weights.append(x - floor(x))
    return Row(low, high, weights)


def resampled(site: Site, rows: dict[int, Row]) -> tuple[Map, int]:
    """The map that resamples each dimension in `rows`, and its number of roundings."""
    after = [len(rows[k].low) if k in rows else n for k, n in enumerate(site.shape(0))]
    limit(after, "the result")
    blends = sum(any(row.weights) for row in rows.values())

    def resample(x: Tensor) -> Tensor:
        for axis, row in rows.items():
            low = x.index_select(axis, torch.tensor(row.low, device=x.device))
            if any(row.weights):
                shape = (-1, *[1] * (x.ndim - axis - 1))
                near, far = (
                    torch.tensor([float(w) for w in weights], dtype=x.dtype, device=x.device)
                    for weights in ([1 - w for w in row.weights], row.weights)
                )
                high = x.index_select(axis, torch.tensor(row.high, device=x.device))
                low = low * near.reshape(shape) + high * far.reshape(shape)
            x = low
        return x

    return resample, 3 * blends  # a sum of two, with weights that are themselves rounded
