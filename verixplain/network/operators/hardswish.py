"""HardSwish: x max(0, min(1, x / 6 + 1/2))."""

import torch
from torch import Tensor, nn

from verixplain.network.graph import Site
from verixplain.network.operators._curves import places, widened
from verixplain.network.operators._table import Operator, converts
from verixplain.network.primitives import Plan, Univariate


def _function(x: Tensor) -> Tensor:
    return x * ((x + 3).clamp(0, 6) / 6)


def _slope(x: Tensor) -> Tensor:
    inside = (2 * x + 3) / 6
    return torch.where(x.abs() < 3, inside, (x >= 3).to(x.dtype))


def _stationary(k: Tensor) -> Tensor:
    inside = 3 * k - 1.5
    kink = torch.full_like(k, 3.0)
    return places(-kink, kink, torch.where(inside.abs() <= 3, inside, torch.nan))


def _curvature(lower: Tensor, upper: Tensor) -> Tensor:
    # Slopes 0 | -1/2 ... 3/2 | 1: a parabola between two concave kinks.
    straight = (upper <= -3) | (lower >= 3)
    return (straight | ((lower >= -3) & (upper <= 3))).to(lower.dtype)


def _steepest(lower: Tensor, upper: Tensor) -> Tensor:
    ends = [((2 * x.clamp(-3, 3) + 3) / 6).abs() for x in (lower, upper)]
    return widened(torch.maximum(torch.maximum(*ends), (upper >= 3).to(lower.dtype)))


HARD_SWISH = Univariate("hard_swish", _function, _slope, _stationary, _curvature, _steepest, ulps=3)


@converts("HardSwish", since=14)
class HardSwish(Operator):
    def build(self, site: Site) -> nn.Module:
        return nn.Hardswish()

    def lower(self, site: Site, plan: Plan) -> str:
        return plan.add(HARD_SWISH, site.node.inputs[0])
