"""Elu."""

import torch
from torch import Tensor, nn

from verixplain.network.graph import Site
from verixplain.network.operators._curves import places, widened
from verixplain.network.operators._table import Operator, converts
from verixplain.network.primitives import Plan, Univariate


def exponential_unit(alpha: float, rate: float = 1.0) -> Univariate:
    """`x` for `x >= 0`, `alpha (exp(rate x) - 1)` below, for a `rate` above 0.

    The slope below is `alpha rate exp(rate x)`, reaching `alpha rate` at the kink: convex if
    that is between 0 and 1.
    """
    corner = alpha * rate

    def function(x: Tensor) -> Tensor:
        return torch.where(x >= 0, x, alpha * torch.expm1(rate * x.clamp(max=0)))

    def slope(x: Tensor) -> Tensor:
        return torch.where(x >= 0, 1.0, corner * torch.exp(rate * x.clamp(max=0)))

    def stationary(k: Tensor) -> Tensor:
        left = torch.log(k / corner) / rate if corner else torch.full_like(k, torch.nan)
        return places(torch.zeros_like(k), torch.where(left <= 0, left, torch.nan))

    def curvature(lower: Tensor, upper: Tensor) -> Tensor:
        left, right = upper <= 0, lower >= 0
        bent = float(alpha > 0) - float(alpha < 0)
        across = float(0 <= corner <= 1)
        found = torch.where(left, bent if alpha else 1.0, across)
        return torch.where(right, 1.0, found).to(lower.dtype)

    def steepest(lower: Tensor, upper: Tensor) -> Tensor:
        left = abs(corner) * torch.exp(rate * upper.clamp(max=0))
        left = torch.where(lower <= 0, left, 0.0)
        return widened(torch.maximum(left, (upper >= 0).to(lower.dtype)))

    name = f"exponential_unit({alpha!r}, {rate!r})"
    return Univariate(name, function, slope, stationary, curvature, steepest, ulps=8)


@converts("Elu", since=1)
class Elu(Operator):
    def build(self, site: Site) -> nn.Module:
        return nn.ELU(float(site.attribute("alpha", 1.0)))

    def lower(self, site: Site, plan: Plan) -> str:
        return plan.add(exponential_unit(float(site.attribute("alpha", 1.0))), site.node.inputs[0])
