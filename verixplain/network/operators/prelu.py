"""PRelu: a slope per channel, or of any shape that broadcasts to the input."""

import numpy as np
import torch
from torch import Tensor, nn

from verixplain.network.graph import Site, require
from verixplain.network.operators._aligned import float64, misaligned
from verixplain.network.operators._table import Operator, converts
from verixplain.network.operators.leakyrelu import add_leaky
from verixplain.network.operators.relu import RELU
from verixplain.network.primitives import Plan, ScaleShift, Sum


class _AnyShape(nn.Module):
    """PReLU whose slope is not one number per channel."""

    def __init__(self, slope: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(slope, requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.where(x > 0, x, self.weight * x)


@converts("PRelu", since=7)
class PRelu(Operator):
    def build(self, site: Site) -> nn.Module:
        slope, shape = torch.from_numpy(site.constant(1, "slope").copy()), site.shape(0)
        require(
            np.broadcast_shapes(slope.shape, shape) == shape,
            f"a slope of shape {tuple(slope.shape)} for an input of shape {shape}",
        )
        per_channel = len(shape) >= 2 and slope.shape[-(len(shape) - 1) :] == torch.Size(
            [*shape[1:2], *[1] * (len(shape) - 2)]
        )
        if slope.numel() != 1 and not (per_channel and (slope.numel(),) == shape[1:2]):
            return _AnyShape(slope)
        layer = nn.PReLU(slope.numel(), dtype=slope.dtype)
        layer.weight = nn.Parameter(slope.reshape(-1), requires_grad=False)
        return layer

    def mixes_batch(self, site: Site) -> str | None:
        return misaligned(site)

    def lower(self, site: Site, plan: Plan) -> str:
        slope, x = float64(site.constant(1, "slope")), site.node.inputs[0]
        if slope.numel() == 1:
            return add_leaky(plan, x, float(slope))
        left = plan.add(RELU, plan.add(ScaleShift(scale=float64(-1.0)), x))
        return plan.add(Sum(1, 1), plan.add(RELU, x), plan.add(ScaleShift(scale=-slope), left))
