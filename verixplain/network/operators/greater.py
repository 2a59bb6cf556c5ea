"""Comparisons. They jump, so there are no bounds; networks that select by them still run."""

import torch
from torch import nn

from verixplain.network.graph import Site
from verixplain.network.operators._aligned import WithConstants, misaligned
from verixplain.network.operators._table import Operator, converts

_FUNCTIONS = {
    "Equal": torch.eq,
    "Greater": torch.gt,
    "GreaterOrEqual": torch.ge,
    "Less": torch.lt,
    "LessOrEqual": torch.le,
}


@converts(*_FUNCTIONS, since=7)
class Comparison(Operator):
    def build(self, site: Site) -> nn.Module:
        return WithConstants(site, _FUNCTIONS[site.node.operator], site.node.operator)

    def mixes_batch(self, site: Site) -> str | None:
        return misaligned(site)
