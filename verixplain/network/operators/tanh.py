"""Tanh."""

import torch
from torch import Tensor, nn

from verixplain.network.graph import Site
from verixplain.network.operators._curves import s_shaped
from verixplain.network.operators._table import Operator, converts
from verixplain.network.primitives import Plan


def _root(k: Tensor) -> Tensor:
    # 1 - tanh^2 = k has tanh x = t = sqrt(1 - k), and atanh(t) = log((1 + t) / sqrt(k)).
    return torch.log1p(torch.sqrt(1 - k)) - torch.log(k) / 2


def slope(x: Tensor) -> Tensor:
    """`1 - tanh^2`, written so that the tails lose nothing."""
    return 4 * torch.sigmoid(2 * x) * torch.sigmoid(-2 * x)


TANH = s_shaped("tanh", torch.tanh, slope, _root, ulps=8)


@converts("Tanh", since=1)
class Tanh(Operator):
    def build(self, site: Site) -> nn.Module:
        return nn.Tanh()

    def lower(self, site: Site, plan: Plan) -> str:
        return plan.add(TANH, site.node.inputs[0])
