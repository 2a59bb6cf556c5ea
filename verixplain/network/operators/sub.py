"""Sub."""

import torch

from verixplain.network.graph import Site
from verixplain.network.operators._broadcast import Broadcasting, factor, operand
from verixplain.network.operators._table import converts
from verixplain.network.primitives import Plan, ScaleShift, Sum


@converts("Sub", since=7)
class Sub(Broadcasting):
    function = torch.sub

    def lower(self, site: Site, plan: Plan) -> str:
        if len(site.varying) == 2:
            return plan.add(Sum(1, -1), operand(site, plan, 0), operand(site, plan, 1))
        (k,) = site.varying
        constant, x = factor(site, 1 - k), operand(site, plan, k, full=True)
        if k == 0:
            return plan.add(ScaleShift(None, -constant), x)
        minus = torch.tensor(-1.0, dtype=torch.float64)
        return plan.add(ScaleShift(minus, constant), x)
