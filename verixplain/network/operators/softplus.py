"""Softplus."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from verixplain.network.graph import Site
from verixplain.network.operators._curves import curved
from verixplain.network.operators._table import Operator, converts
from verixplain.network.primitives import Plan

_STRAIGHT = 40.0  # from here on log(1 + exp(x)) is x in float64; torch's own 20 is for float32


def _softplus(x: Tensor) -> Tensor:
    return F.softplus(x, threshold=_STRAIGHT)


def _logit(k: Tensor) -> Tensor:
    return torch.log(k) - torch.log1p(-k)  # NaN outside 0 to 1


SOFTPLUS = curved("softplus", 1, _softplus, torch.sigmoid, _logit, ulps=4)


@converts("Softplus", since=1)
class Softplus(Operator):
    def build(self, site: Site) -> nn.Module:
        return nn.Softplus(threshold=_STRAIGHT)

    def lower(self, site: Site, plan: Plan) -> str:
        return plan.add(SOFTPLUS, site.node.inputs[0])
