"""Reciprocal."""

import torch
from torch import nn

from verixplain.network.graph import Site
from verixplain.network.operators._curves import curved
from verixplain.network.operators._table import Apply, Operator, converts
from verixplain.network.primitives import Plan

RECIPROCAL = curved(
    "reciprocal",
    1,
    torch.reciprocal,
    lambda x: -torch.reciprocal(x).square(),
    lambda k: 1 / torch.sqrt(-k),  # NaN where k > 0: the slope is negative everywhere
    ulps=3,
    domain=(0.0, float("inf")),
)


@converts("Reciprocal", since=1)
class Reciprocal(Operator):
    def build(self, site: Site) -> nn.Module:
        return Apply(torch.reciprocal, "reciprocal")

    def lower(self, site: Site, plan: Plan) -> str:
        return plan.add(RECIPROCAL, site.node.inputs[0])
