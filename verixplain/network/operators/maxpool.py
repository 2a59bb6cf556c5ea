"""MaxPool."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from verixplain.network.graph import Site, require
from verixplain.network.operators._table import Apply, Operator, converts
from verixplain.network.operators._windows import Windows, pool_windows
from verixplain.network.primitives import MaxPool as Pool
from verixplain.network.primitives import Plan, Rearrange

_KINDS = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}


def _windows(site: Site) -> Windows:
    require(not any(site.node.outputs[1:]), "the output Indices is not supported")
    return pool_windows(site)


@converts("MaxPool", since=1)
class MaxPool(Operator):
    def build(self, site: Site) -> nn.Module:
        found = _windows(site)
        inside = found.symmetric and found.halved  # what torch's own padding can do
        layer = _KINDS[len(found.kernel)](
            found.kernel,
            found.strides,
            padding=found.begin if inside else 0,
            dilation=found.dilations,
        )
        if inside:
            return layer
        pad = Apply(lambda x: F.pad(x, found.pads, value=-math.inf), f"pad {found.pads}")
        return nn.Sequential(pad, layer)

    def lower(self, site: Site, plan: Plan) -> str:
        """As a pool of windows that lie apart, overlapping ones by copying what they share.

        Padding is replaced by copies of the edge, which is exact: without dilation a window is
        an interval in each dimension, and one that reaches from padding to a real place (each
        window has one) covers the edge too, so a copy of the edge changes no maximum.
        """
        found, name = _windows(site), site.node.inputs[0]
        dilated = any(d > 1 for d in found.dilations)
        require(
            not (dilated and any(found.pads)),
            f"no bounds for padding {found.pads} together with dilations {found.dilations}",
        )
        rows = [[n for window in found.places(k) for n in window] for k in range(len(found.kernel))]
        return plan.add(Pool(found.kernel), _picked(plan, found, rows, name))


def _picked(plan: Plan, found: Windows, rows: list[list[int]], name: str) -> str:
    """The places `rows` of each dimension, the edge in place of padding."""
    if all(row == list(range(size)) for row, size in zip(rows, found.sizes, strict=True)):
        return name
    inside = [
        [min(max(n, 0), size - 1) for n in row] for row, size in zip(rows, found.sizes, strict=True)
    ]

    def pick(x: Tensor) -> Tensor:
        for axis, row in enumerate(inside, start=2):
            x = x.index_select(axis, torch.tensor(row, device=x.device))
        return x

    return plan.add(Rearrange(pick), name)
