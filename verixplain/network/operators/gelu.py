"""Gelu, exact and with tanh."""

import math

import torch
from torch import Tensor, nn

from verixplain.network.graph import Site, require
from verixplain.network.operators import sigmoid
from verixplain.network.operators._curves import bisect, wavy
from verixplain.network.operators._table import Operator, converts
from verixplain.network.primitives import Plan


def _normal(x: Tensor) -> Tensor:
    """The cumulative normal distribution, exact in its left tail too."""
    return torch.special.erfc(-math.sqrt(0.5) * x) / 2


def _slope(x: Tensor) -> Tensor:
    return _normal(x) + x * torch.exp(-x.square() / 2) / math.sqrt(2 * math.pi)


# f'' = density(x) (2 - x^2): its sign changes at +-sqrt(2) only. The density at 40 is below
# every float64.
GELU = wavy("gelu", lambda x: x * _normal(x), _slope, math.sqrt(2), 40.0, ulps=8)

# x (1 + tanh u) / 2 = x sigmoid(2u) with 2u = a x + b x^3.
_A = 2 * math.sqrt(2 / math.pi)
_B = _A * 0.044715


def _inner(x: Tensor) -> Tensor:
    return x * (_A + _B * x.square())


def _tanh_slope(x: Tensor) -> Tensor:
    inner = _inner(x)
    return torch.sigmoid(inner) + x * (_A + 3 * _B * x.square()) * sigmoid.slope(inner)


def _bend(x: float) -> float:
    # With v = 2u: f'' = sigmoid'(v) (2 v' + x v'' - x tanh(v / 2) v'^2), and its sign is that of
    # 1 - x tanh(v / 2) v'^2 / (2 v' + x v''). The quotient is (A + 3 B x^2)^2 / (2 A + 12 B x^2),
    # which grows with x > 0 as x tanh(v / 2) does: one change of sign, and f'' is even.
    v, first = x * (_A + _B * x * x), _A + 3 * _B * x * x
    return 1 - x * math.tanh(v / 2) * first**2 / (2 * _A + 12 * _B * x * x)


# sigmoid(2u) at -22 is below every float64.
GELU_TANH = wavy(
    "gelu_tanh",
    lambda x: x * torch.sigmoid(_inner(x)),
    _tanh_slope,
    bisect(_bend, 0.5, 3.0),
    24.0,
    ulps=8,
)


@converts("Gelu", since=20)
class Gelu(Operator):
    def build(self, site: Site) -> nn.Module:
        return nn.GELU(self._approximate(site))

    def _approximate(self, site: Site) -> str:
        approximate = site.attribute("approximate", "none")
        require(approximate in ("none", "tanh"), f"approximate = {approximate!r}")
        return approximate

    def lower(self, site: Site, plan: Plan) -> str:
        kind = GELU if self._approximate(site) == "none" else GELU_TANH
        return plan.add(kind, site.node.inputs[0])
