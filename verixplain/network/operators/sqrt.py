"""Sqrt."""

import torch
from torch import nn

from verixplain.network.graph import Site
from verixplain.network.operators._curves import curved
from verixplain.network.operators._table import Apply, Operator, converts
from verixplain.network.primitives import Plan

SQRT = curved(
    "sqrt",
    -1,
    torch.sqrt,
    lambda x: 0.5 / torch.sqrt(x),
    lambda k: torch.where(k > 0, (0.5 / k).square(), torch.nan),
    ulps=2,
    domain=(0.0, float("inf")),
)


@converts("Sqrt", since=1)
class Sqrt(Operator):
    def build(self, site: Site) -> nn.Module:
        return Apply(torch.sqrt, "sqrt")

    def lower(self, site: Site, plan: Plan) -> str:
        return plan.add(SQRT, site.node.inputs[0])
