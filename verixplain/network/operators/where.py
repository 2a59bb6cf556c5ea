"""Where."""

import torch
from torch import nn

from verixplain.network.graph import Site, require
from verixplain.network.operators._aligned import WithConstants, float64, misaligned
from verixplain.network.operators._table import Operator, converts
from verixplain.network.primitives import Plan, ScaleShift, Sum


@converts("Where", since=9)
class Where(Operator):
    def build(self, site: Site) -> nn.Module:
        return WithConstants(site, torch.where, "where")

    def mixes_batch(self, site: Site) -> str | None:
        return misaligned(site)

    def lower(self, site: Site, plan: Plan) -> str:
        require(site.is_constant(0), "no bounds for a condition that varies with the input")
        condition = torch.from_numpy(site.constant(0, "condition").copy()).bool()
        parts, shift = [], None
        for k, chosen in ((1, condition), (2, ~condition)):
            scale = chosen.to(torch.float64)
            if site.is_constant(k):
                shift = torch.where(chosen, float64(site.constant(k)), 0.0)
            else:
                parts.append(plan.add(ScaleShift(scale=scale), site.node.inputs[k]))
        chosen = parts[0] if len(parts) == 1 else plan.add(Sum(1, 1), *parts)
        return chosen if shift is None else plan.add(ScaleShift(shift=shift), chosen)
