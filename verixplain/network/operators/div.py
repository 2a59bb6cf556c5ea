"""Div."""

import torch
from torch import nn

from verixplain.network.graph import Site, require
from verixplain.network.operators._broadcast import Broadcasting, Combine, factor, operand
from verixplain.network.operators._table import converts
from verixplain.network.operators.reciprocal import RECIPROCAL
from verixplain.network.primitives import Plan, Product, ScaleShift


@converts("Div", since=7)
class Div(Broadcasting):
    function = torch.div

    def build(self, site: Site) -> nn.Module:
        if site.is_constant(1):
            require(bool((site.constant(1) != 0).all()), "division by a constant that is zero")
        return Combine(torch.div, site)

    def lower(self, site: Site, plan: Plan) -> str:
        if site.is_constant(1):
            scale = ScaleShift(1 / factor(site, 1), rounded=2)
            return plan.add(scale, operand(site, plan, 0, full=True))
        x = operand(site, plan, 1, full=site.is_constant(0))
        inverse = plan.add(RECIPROCAL, x)
        if site.is_constant(0):
            return plan.add(ScaleShift(factor(site, 0)), inverse)
        return plan.add(Product(), operand(site, plan, 0), inverse)
