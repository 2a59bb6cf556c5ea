"""Pad: with a constant, or with what the input has near its ends."""

from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from verixplain.network.graph import Site, limit, require
from verixplain.network.operators._moves import Map, Move
from verixplain.network.operators._table import Apply, converts
from verixplain.network.operators._windows import pads as in_torch
from verixplain.network.primitives import Plan, Rearrange, Shifted


def _ends(site: Site) -> tuple[list[int], list[int]]:
    """Padding before and after each dimension (negative: numbers are taken away)."""
    given = site.required_ints("pads", 1)
    axes = site.ints("axes", 3)
    axes = tuple(range(site.rank)) if axes is None else axes
    require(len(given) == 2 * len(axes), f"pads {given} for axes {axes}")
    begin, end, shape = [0] * site.rank, [0] * site.rank, site.shape(0)
    for k, axis in enumerate(axes):
        axis = site.positive_axis(axis)
        begin[axis], end[axis] = given[k], given[k + len(axes)]
    after = [n + b + e for n, b, e in zip(shape, begin, end, strict=True)]
    fits = all(
        n >= 0 and b >= -s and e >= -s for n, b, e, s in zip(after, begin, end, shape, strict=True)
    )
    require(fits, f"pads {given} leave {after} of {shape}")
    limit(after, "the padded input")
    return begin, end


def _filled(site: Site) -> float:
    value = site.attribute("value", 0.0)
    if site.given(2):
        value = np.asarray(site.constant(2, "constant_value")).reshape(-1)[0]
    return float(value)


def _copied(site: Site, mode: Literal["reflect", "edge", "wrap"]) -> Map:
    """Padding by numbers of the input, one dimension after the other."""
    begin, end = _ends(site)
    rows = {}
    for axis, (n, before, after) in enumerate(zip(site.shape(0), begin, end, strict=True)):
        most = n - 1 if mode == "reflect" else n
        require(min(before, after) >= 0, f"mode {mode!r} with negative pads {begin}, {end}")
        require(
            mode == "edge" or max(before, after) <= most,
            f"mode {mode!r} pads a dimension of {n} by {before} and {after}; at most {most}",
        )
        if before or after:
            rows[axis] = np.pad(np.arange(n), (before, after), mode=mode)

    def pad(x: Tensor) -> Tensor:
        for axis, row in rows.items():
            x = x.index_select(axis, torch.from_numpy(row).to(x.device))
        return x

    return pad


@converts("Pad", since=2)
class Pad(Move):
    def map(self, site: Site) -> tuple[Map, int]:
        mode = site.attribute("mode", "constant")
        require(
            mode in ("constant", "reflect", "edge", "wrap"),
            f"mode {mode!r}; supported are 'constant', 'reflect', 'edge' and 'wrap'",
        )
        if mode != "constant":
            return _copied(site, mode), 0
        ends = in_torch(*_ends(site))
        return lambda x: F.pad(x, ends), 0

    def build(self, site: Site):
        value = _filled(site) if site.attribute("mode", "constant") == "constant" else 0.0
        if not value:
            return super().build(site)
        ends = in_torch(*_ends(site))
        return Apply(lambda x: F.pad(x, ends, value=value), f"pad {ends} with {value:g}")

    def lower(self, site: Site, plan: Plan) -> str:
        function, _ = self.map(site)
        value = _filled(site) if site.attribute("mode", "constant") == "constant" else 0.0
        if not value:
            return plan.add(Rearrange(function), site.node.inputs[0])
        inside = torch.ones(site.shape(0), dtype=torch.float64)
        return plan.add(Shifted(function, value * (1 - function(inside))), site.node.inputs[0])
