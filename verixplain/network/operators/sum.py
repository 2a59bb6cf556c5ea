"""Sum of any number of inputs."""

import torch
from torch import nn

from verixplain.network.graph import Site
from verixplain.network.operators._broadcast import Broadcasting, factor, operand, result_shape
from verixplain.network.operators._table import converts
from verixplain.network.primitives import Plan, Rearrange, ScaleShift
from verixplain.network.primitives import Sum as Signed


@converts("Sum", since=6)
class Sum(Broadcasting):
    function = torch.add

    def build(self, site: Site) -> nn.Module:
        return nn.Identity() if len(site.node.inputs) == 1 else super().build(site)

    def lower(self, site: Site, plan: Plan) -> str:
        constants = [factor(site, k) for k in range(len(site.node.inputs)) if site.is_constant(k)]
        whole = bool(constants) and len(site.varying) == 1
        names = [operand(site, plan, k, full=whole) for k in site.varying]
        total = names[0] if len(names) == 1 else plan.add(Signed(*[1] * len(names)), *names)
        if not constants:
            return total
        if not whole:
            total = _grown(site, plan, total)
        shift = torch.stack(torch.broadcast_tensors(*constants)).sum(0)
        return plan.add(ScaleShift(None, shift, rounded=len(constants)), total)


def _grown(site: Site, plan: Plan, name: str) -> str:
    """The sum of the varying inputs, expanded where only a constant has the full shape."""
    rest = result_shape(site)[1:]
    return plan.add(Rearrange(lambda x: x.expand(x.shape[0], *rest)), name)
