"""LeakyRelu."""

import torch
from torch import nn

from verixplain.network.graph import Site
from verixplain.network.operators._aligned import float64
from verixplain.network.operators._curves import places
from verixplain.network.operators._table import Operator, converts
from verixplain.network.operators.relu import RELU
from verixplain.network.primitives import Plan, ScaleShift, Sum, Univariate


def leaky(alpha: float) -> Univariate:
    """`max(x, alpha x)` for `0 <= alpha <= 1`: convex, with a kink at 0."""
    return Univariate(
        name=f"leaky_relu({alpha!r})",
        function=lambda x: torch.where(x > 0, x, alpha * x),
        slope=lambda x: torch.where(x > 0, torch.ones_like(x), alpha),
        stationary=lambda k: places(torch.zeros_like(k)),
        curvature=lambda lower, upper: torch.ones_like(lower),
        steepest=lambda lower, upper: torch.ones_like(lower),
        ulps=1,
        native="LeakyRelu",
        parameters=(("alpha", alpha),),
    )


def add_leaky(plan: Plan, x: str, alpha: float) -> str:
    """Append `x` where positive, `alpha x` elsewhere, for any `alpha`."""
    if 0 <= alpha <= 1:
        return plan.add(leaky(alpha), x)
    negated = plan.add(ScaleShift(scale=float64(-1.0)), x)
    left = plan.add(ScaleShift(scale=float64(-alpha)), plan.add(RELU, negated))
    return plan.add(Sum(1, 1), plan.add(RELU, x), left)


@converts("LeakyRelu", since=1)
class LeakyRelu(Operator):
    def build(self, site: Site) -> nn.Module:
        return nn.LeakyReLU(float(site.attribute("alpha", 0.01)))

    def lower(self, site: Site, plan: Plan) -> str:
        return add_leaky(plan, site.node.inputs[0], float(site.attribute("alpha", 0.01)))
