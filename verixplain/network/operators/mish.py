"""Mish: x tanh(softplus(x))."""

from torch import nn

from verixplain.network.graph import Site
from verixplain.network.operators._table import Operator, converts
from verixplain.network.operators.softplus import SOFTPLUS
from verixplain.network.operators.tanh import TANH
from verixplain.network.primitives import Plan, Product


@converts("Mish", since=18)
class Mish(Operator):
    def build(self, site: Site) -> nn.Module:
        return nn.Mish()

    def lower(self, site: Site, plan: Plan) -> str:
        x = site.node.inputs[0]
        return plan.add(Product(), x, plan.add(TANH, plan.add(SOFTPLUS, x)))
