"""Log."""

import torch
from torch import nn

from verixplain.network.graph import Site
from verixplain.network.operators._curves import curved
from verixplain.network.operators._table import Apply, Operator, converts
from verixplain.network.primitives import Plan

LOG = curved(
    "log",
    -1,
    torch.log,
    torch.reciprocal,
    lambda k: torch.where(k > 0, 1 / k, torch.nan),
    ulps=4,
    domain=(0.0, float("inf")),
)


@converts("Log", since=1)
class Log(Operator):
    def build(self, site: Site) -> nn.Module:
        return Apply(torch.log, "log")

    def lower(self, site: Site, plan: Plan) -> str:
        return plan.add(LOG, site.node.inputs[0])
