"""Swish: x sigmoid(alpha x)."""

import math

import torch
from torch import Tensor, nn

from verixplain.network.graph import Site
from verixplain.network.operators import sigmoid
from verixplain.network.operators._aligned import float64
from verixplain.network.operators._curves import bisect, wavy
from verixplain.network.operators._table import Apply, Operator, converts
from verixplain.network.primitives import Plan, ScaleShift


def _slope(x: Tensor) -> Tensor:
    return torch.sigmoid(x) + x * sigmoid.slope(x)


# f'' = sigmoid'(x) (2 - x tanh(x / 2)), even, and x tanh(x / 2) grows with x > 0: one change of
# sign. sigmoid(-800) is below every float64.
SWISH = wavy(
    "swish",
    lambda x: x * torch.sigmoid(x),
    _slope,
    bisect(lambda x: 2 - x * math.tanh(x / 2), 1.0, 4.0),
    800.0,
    ulps=8,
)


@converts("Swish", since=24)
class Swish(Operator):
    def build(self, site: Site) -> nn.Module:
        alpha = float(site.attribute("alpha", 1.0))
        if alpha == 1:
            return nn.SiLU()
        return Apply(lambda x: x * torch.sigmoid(alpha * x), f"{alpha}")

    def lower(self, site: Site, plan: Plan) -> str:
        alpha, x = float(site.attribute("alpha", 1.0)), site.node.inputs[0]
        if alpha == 1:
            return plan.add(SWISH, x)
        if alpha == 0:
            return plan.add(ScaleShift(scale=float64(0.5)), x)
        scaled = plan.add(SWISH, plan.add(ScaleShift(scale=float64(alpha)), x))
        return plan.add(ScaleShift(scale=float64(1 / alpha), rounded=1), scaled)
