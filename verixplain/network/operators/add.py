"""Add."""

import torch

from verixplain.network.graph import Site
from verixplain.network.operators._broadcast import Broadcasting, factor, operand
from verixplain.network.operators._table import converts
from verixplain.network.primitives import Plan, ScaleShift, Sum


@converts("Add", since=7)
class Add(Broadcasting):
    function = torch.add

    def lower(self, site: Site, plan: Plan) -> str:
        if len(site.varying) == 2:
            return plan.add(Sum(1, 1), operand(site, plan, 0), operand(site, plan, 1))
        (k,) = site.varying
        return plan.add(ScaleShift(None, factor(site, 1 - k)), operand(site, plan, k, full=True))
