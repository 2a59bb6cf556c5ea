"""ConvTranspose of one to three dimensions."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import nn

from verixplain.network.graph import Site, limit, require
from verixplain.network.operators._aligned import float64
from verixplain.network.operators._constants import weight
from verixplain.network.operators._table import Apply, Operator, converts
from verixplain.network.operators._windows import pads as in_torch
from verixplain.network.primitives import Conv, Plan, Rearrange

_KINDS = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}


@dataclass(frozen=True)
class _Settings:
    """Arguments of torch's transposed convolutions, and what is cut off their result."""

    arguments: dict
    cut: list[int]


def _cut(
    site: Site, totals: list[int], given: tuple[int, ...] | None
) -> tuple[list[int], list[int]]:
    """How much is cut off before and after each dimension, by `pads` or from a total."""
    mode, rank = site.attribute("auto_pad", "NOTSET"), len(totals)
    wanted = site.ints("output_shape")
    if wanted is None and mode in ("NOTSET", "VALID"):
        pads = given if given is not None and mode == "NOTSET" else (0,) * (2 * rank)
        require(len(pads) == 2 * rank and min(pads) >= 0, f"pads {pads}")
        return list(pads[:rank]), list(pads[rank:])
    if wanted is None:
        strides = site.ints("strides") or (1,) * rank
        wanted = tuple(n * s for n, s in zip(site.shape(0)[2:], strides, strict=True))
    if len(wanted) == rank + 2:  # older exporters include batch and channels
        wanted = wanted[2:]
    require(len(wanted) == rank, f"output_shape {wanted} for {rank} dimensions")
    totals = [full - n for full, n in zip(totals, wanted, strict=True)]
    require(
        min(totals) >= 0 or site.ints("output_shape") is not None,
        f"auto_pad {mode!r} where the weights do not reach the wanted shape {wanted}",
    )
    odd = any(total > 0 and total % 2 for total in totals)
    require(site.opset >= 11 or not odd, "an odd padding before opset 11, of unclear side")
    small = [n // 2 if n > 0 else 0 for n in totals]
    large = [n - less for n, less in zip(totals, small, strict=True)]
    upper = [mode == "SAME_UPPER" or n < 0 for n in totals]
    pairs = zip(upper, small, large, strict=True)
    begin, end = zip(*[(a, b) if first else (b, a) for first, a, b in pairs], strict=True)
    return list(begin), list(end)


def _settings(site: Site) -> _Settings:
    kernel = site.constant(1, "W").shape
    rank, groups = len(kernel) - 2, int(site.attribute("group", 1))
    require(
        site.rank == len(kernel)
        and rank in _KINDS
        and groups > 0
        and kernel[0] % groups == 0
        and site.shape(0)[1] == kernel[0],
        f"weights {kernel} in {groups} groups on an input of shape {site.shape(0)}",
    )
    declared = site.ints("kernel_shape") or kernel[2:]
    require(declared == kernel[2:], f"kernel_shape {declared} but weights {kernel}")
    strides = site.ints("strides") or (1,) * rank
    dilations = site.ints("dilations") or (1,) * rank
    more = site.ints("output_padding") or (0,) * rank
    require(len(strides) == len(dilations) == len(more) == rank, f"{rank} dimensions expected")
    require(min(*strides, *dilations) > 0, f"strides {strides}, dilations {dilations}")
    require(min(more) >= 0, f"output_padding {more}")
    totals = [
        s * (n - 1) + m + (k - 1) * d + 1
        for n, s, m, k, d in zip(
            site.shape(0)[2:], strides, more, kernel[2:], dilations, strict=True
        )
    ]
    limit([*totals, kernel[1] * groups], "the result")
    begin, end = _cut(site, totals, site.ints("pads"))
    # A wanted shape beyond what the weights reach is output_padding by another name.
    more = tuple(m - min(e, 0) for m, e in zip(more, end, strict=True))
    begin, end = [max(n, 0) for n in begin], [max(n, 0) for n in end]
    fits = all(m < max(s, d) for m, s, d in zip(more, strides, dilations, strict=True))
    require(fits, f"output_padding {more} is not smaller than stride, dilation")
    left = [n - b - e for n, b, e in zip(totals, begin, end, strict=True)]
    require(min(left) > 0, f"pads {begin} and {end} leave nothing of {totals}")
    arguments = {
        "stride": strides,
        "padding": tuple(begin) if begin == end else (0,) * rank,
        "output_padding": more,
        "dilation": dilations,
        "groups": groups,
    }
    cut = [] if begin == end else in_torch([-n for n in begin], [-n for n in end])
    return _Settings(arguments, cut)


@converts("ConvTranspose", since=1)
class ConvTranspose(Operator):
    def build(self, site: Site) -> nn.Module:
        found, kernel = _settings(site), weight(site.constant(1, "W"))
        layer = _KINDS[kernel.ndim - 2](
            kernel.shape[0],
            kernel.shape[1] * found.arguments["groups"],
            tuple(kernel.shape[2:]),
            bias=site.given(2),
            dtype=kernel.dtype,
            **found.arguments,
        )
        layer.weight = kernel
        if site.given(2):
            layer.bias = weight(site.constant(2, "B"))
        if not found.cut:
            return layer
        return nn.Sequential(layer, Apply(lambda y: F.pad(y, found.cut), f"pad {found.cut}"))

    def lower(self, site: Site, plan: Plan) -> str:
        found = _settings(site)
        bias = float64(site.constant(2)) if site.given(2) else None
        kind = Conv(float64(site.constant(1)), bias, transposed=True, **found.arguments)
        result = plan.add(kind, site.node.inputs[0])
        if not found.cut:
            return result
        return plan.add(Rearrange(lambda y: F.pad(y, found.cut)), result)
