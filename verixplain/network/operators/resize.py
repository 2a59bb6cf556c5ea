"""Resize: nearest and linear."""

from fractions import Fraction

import numpy as np

from verixplain.network.graph import Site, limit, require
from verixplain.network.operators._moves import Map, Move
from verixplain.network.operators._resample import (
    COORDINATES,
    NEAREST,
    Row,
    grown,
    linear,
    nearest,
    resampled,
)
from verixplain.network.operators._table import converts


def lengths(site: Site, number: int) -> tuple[dict[int, int], dict[int, Fraction]]:
    """New length and scale of every dimension that `scales` (input `number`) or sizes name."""
    given = site.ints("axes")
    axes = tuple(range(site.rank)) if given is None else tuple(map(site.positive_axis, given))
    shape, last = site.shape(0), number + 1
    scales = site.constant(number, "scales").ravel() if site.given(number) else np.array([])
    if scales.size:
        require(len(scales) == len(axes), f"{len(scales)} scales for axes {axes}")
        pairs = list(zip(axes, scales.tolist(), strict=True))
        new = {axis: grown(shape[axis], scale) for axis, scale in pairs}
        return new, {axis: Fraction(scale) for axis, scale in pairs}
    sizes = site.required_ints("sizes", last)
    require(len(sizes) == len(axes), f"{sizes} sizes for axes {axes}")
    require(min(sizes) > 0, f"sizes {sizes}")
    policy = site.attribute("keep_aspect_ratio_policy", "stretch")
    require(policy == "stretch", f"keep_aspect_ratio_policy {policy!r}; supported is 'stretch'")
    new = dict(zip(axes, sizes, strict=True))
    return new, {axis: Fraction(n, shape[axis]) for axis, n in new.items()}


def rows(site: Site, number: int, coordinates: str, rounding: str) -> dict[int, Row]:
    """How every dimension that changes is resampled."""
    mode = site.attribute("mode", "nearest")
    require(mode in ("nearest", "linear"), f"mode {mode!r}; supported are 'nearest' and 'linear'")
    require(coordinates in COORDINATES, f"coordinate_transformation_mode {coordinates!r}")
    require(rounding in NEAREST, f"nearest_mode {rounding!r}")
    require(not site.attribute("antialias", 0), "antialias is not supported")
    new, scales = lengths(site, number)
    limit([new.get(k, n) for k, n in enumerate(site.shape(0))], "the result")
    found = {}
    for axis, length in new.items():
        size, scale = site.shape(0)[axis], scales[axis]
        if scale == 1:
            continue
        whole = coordinates != "align_corners" or size * scale == length
        require(whole, f"align_corners with a length of {float(size * scale)}")
        if mode == "linear":
            found[axis] = linear(size, length, scale, coordinates)
        else:
            found[axis] = nearest(size, length, scale, coordinates, rounding)
    return found


@converts("Resize", since=10)
class Resize(Move):
    """At opset 10 coordinates were divided by the scale and cut to whole numbers."""

    def map(self, site: Site) -> tuple[Map, int]:
        scales = site.constant(1, "scales")
        require(
            bool((scales == scales.round()).all()),
            f"scales {scales.tolist()}; this opset says how to resize by whole numbers only",
        )
        return resampled(site, rows(site, 1, "asymmetric", "floor"))


@converts("Resize", since=11)
class Resize11(Move):
    def map(self, site: Site) -> tuple[Map, int]:
        coordinates = site.attribute("coordinate_transformation_mode", "half_pixel")
        rounding = site.attribute("nearest_mode", "round_prefer_floor")
        return resampled(site, rows(site, 2, coordinates, rounding))
