"""Neg."""

import torch
from torch import nn

from verixplain.network.graph import Site
from verixplain.network.operators._table import Apply, Operator, converts
from verixplain.network.primitives import Plan, ScaleShift


@converts("Neg", since=6)
class Neg(Operator):
    def build(self, site: Site) -> nn.Module:
        return Apply(torch.neg, "neg")

    def lower(self, site: Site, plan: Plan) -> str:
        minus = torch.tensor(-1.0, dtype=torch.float64)
        return plan.add(ScaleShift(minus), site.node.inputs[0])
