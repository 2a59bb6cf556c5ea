"""Exp."""

import torch
from torch import nn

from verixplain.network.graph import Site
from verixplain.network.operators._curves import curved
from verixplain.network.operators._table import Apply, Operator, converts
from verixplain.network.primitives import Plan

EXP = curved("exp", 1, torch.exp, torch.exp, torch.log, ulps=4)


@converts("Exp", since=1)
class Exp(Operator):
    def build(self, site: Site) -> nn.Module:
        return Apply(torch.exp, "exp")

    def lower(self, site: Site, plan: Plan) -> str:
        return plan.add(EXP, site.node.inputs[0])
