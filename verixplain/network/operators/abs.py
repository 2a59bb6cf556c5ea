"""Abs."""

import torch
from torch import nn

from verixplain.network.graph import Site
from verixplain.network.operators._table import Apply, Operator, converts
from verixplain.network.operators.leakyrelu import add_leaky
from verixplain.network.primitives import Plan


@converts("Abs", since=1)
class Abs(Operator):
    def build(self, site: Site) -> nn.Module:
        return Apply(torch.abs, "abs")

    def lower(self, site: Site, plan: Plan) -> str:
        return add_leaky(plan, site.node.inputs[0], -1.0)
