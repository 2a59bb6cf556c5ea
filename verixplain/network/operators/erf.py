"""Erf."""

import math

import torch
from torch import Tensor, nn

from verixplain.network.graph import Site
from verixplain.network.operators._curves import s_shaped
from verixplain.network.operators._table import Apply, Operator, converts
from verixplain.network.primitives import Plan

_TOP = 2 / math.sqrt(math.pi)


def _slope(x: Tensor) -> Tensor:
    return _TOP * torch.exp(-x.square())


def _root(k: Tensor) -> Tensor:
    # exp(-x^2) = k / top. Where k is within rounding of the top, x is within 1e-7 of 0 (float64:
    # 1e-8) and erf(x) - kx within a rounding of (top - k) x = 0, so 0 will do: no NaN there.
    squared = -torch.log(k / _TOP)
    near = squared.abs() <= 4 * torch.finfo(k.dtype).eps
    return torch.sqrt(torch.where(near, squared.clamp(min=0), squared))


ERF = s_shaped("erf", torch.erf, _slope, _root, ulps=8)


@converts("Erf", since=9)
class Erf(Operator):
    def build(self, site: Site) -> nn.Module:
        return Apply(torch.erf, "erf")

    def lower(self, site: Site, plan: Plan) -> str:
        return plan.add(ERF, site.node.inputs[0])
