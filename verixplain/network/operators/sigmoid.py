"""Sigmoid."""

import torch
from torch import Tensor, nn

from verixplain.network.graph import Site
from verixplain.network.operators._curves import s_shaped
from verixplain.network.operators._table import Operator, converts
from verixplain.network.primitives import Plan


def _root(k: Tensor) -> Tensor:
    # s (1 - s) = k has s = (1 + t) / 2, t = sqrt(1 - 4k), and logit(s) = log((1 + t)^2 / 4k):
    # 4k is exact, 1 - 4k is exact near 1/4, and nothing cancels for small k.
    return 2 * torch.log1p(torch.sqrt(1 - 4 * k)) - torch.log(4 * k)


def slope(x: Tensor) -> Tensor:
    """`s(x) s(-x)`, which loses nothing in either tail."""
    return torch.sigmoid(x) * torch.sigmoid(-x)


SIGMOID = s_shaped("sigmoid", torch.sigmoid, slope, _root, ulps=4)


@converts("Sigmoid", since=1)
class Sigmoid(Operator):
    def build(self, site: Site) -> nn.Module:
        return nn.Sigmoid()

    def lower(self, site: Site, plan: Plan) -> str:
        return plan.add(SIGMOID, site.node.inputs[0])
