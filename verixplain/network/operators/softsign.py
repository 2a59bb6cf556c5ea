"""Softsign: x / (1 + |x|)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from verixplain.network.graph import Site
from verixplain.network.operators._curves import s_shaped
from verixplain.network.operators._table import Operator, converts
from verixplain.network.primitives import Plan


def _root(k: Tensor) -> Tensor:
    # f' = (1 + |x|)^-2
    return torch.where(k <= 1, torch.rsqrt(k) - 1, torch.nan)


SOFTSIGN = s_shaped("softsign", F.softsign, lambda x: 1 / (1 + x.abs()).square(), _root, ulps=4)


@converts("Softsign", since=1)
class Softsign(Operator):
    def build(self, site: Site) -> nn.Module:
        return nn.Softsign()

    def lower(self, site: Site, plan: Plan) -> str:
        return plan.add(SOFTSIGN, site.node.inputs[0])
