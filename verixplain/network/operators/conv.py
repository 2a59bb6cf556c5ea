"""Conv of one to three dimensions."""

import torch.nn.functional as F
from torch import nn

from verixplain.network.graph import Site, limit, require
from verixplain.network.operators._aligned import float64
from verixplain.network.operators._constants import weight
from verixplain.network.operators._table import Apply, Operator, converts
from verixplain.network.operators._windows import Windows, windows
from verixplain.network.primitives import Conv as Convolution
from verixplain.network.primitives import Plan, Rearrange

_KINDS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


def _windows(site: Site) -> Windows:
    kernel = site.constant(1, "W").shape
    groups, channels = int(site.attribute("group", 1)), site.shape(0)[1:2]
    require(
        len(kernel) > 2
        and groups > 0
        and kernel[0] % groups == 0
        and channels == (kernel[1] * groups,),
        f"weights {kernel} in {groups} groups on an input of shape {site.shape(0)}",
    )
    declared = site.ints("kernel_shape") or kernel[2:]
    require(declared == kernel[2:], f"kernel_shape {declared} but weights {kernel}")
    found = windows(site, kernel[2:])
    limit((*kernel[:1], *found.counts), "the result")
    return found


def _settings(site: Site, found: Windows) -> dict:
    """Keyword arguments of torch's convolutions; padding only where it is symmetric."""
    return {
        "stride": found.strides,
        "padding": found.begin if found.symmetric else 0,
        "dilation": found.dilations,
        "groups": int(site.attribute("group", 1)),
    }


@converts("Conv", since=1)
class Conv(Operator):
    def build(self, site: Site) -> nn.Module:
        found, kernel = _windows(site), weight(site.constant(1, "W"))
        layer = _KINDS[len(found.kernel)](
            site.shape(0)[1],
            kernel.shape[0],
            found.kernel,
            bias=site.given(2),
            dtype=kernel.dtype,
            **_settings(site, found),
        )
        layer.weight = kernel
        if site.given(2):
            layer.bias = weight(site.constant(2, "B"))
        if found.symmetric:
            return layer
        return nn.Sequential(Apply(lambda x: F.pad(x, found.pads), f"pad {found.pads}"), layer)

    def lower(self, site: Site, plan: Plan) -> str:
        found, name = _windows(site), site.node.inputs[0]
        if not found.symmetric:
            name = plan.add(Rearrange(lambda x: F.pad(x, found.pads)), name)
        bias = float64(site.constant(2)) if site.given(2) else None
        kind = Convolution(float64(site.constant(1)), bias, **_settings(site, found))
        return plan.add(kind, name)
