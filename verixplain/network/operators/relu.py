"""Relu."""

import torch
from torch import nn

from verixplain.network.graph import Site
from verixplain.network.operators._table import Operator, converts
from verixplain.network.primitives import Plan, Univariate


def _stationary(k: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(k)[..., None]  # the kink: any slope between 0 and 1


RELU = Univariate(
    name="relu",
    function=torch.relu,
    slope=lambda x: (x > 0).to(x.dtype),
    stationary=_stationary,
    curvature=lambda lower, upper: torch.ones_like(lower),
    steepest=lambda lower, upper: torch.ones_like(lower),
    ulps=0,
    native="Relu",
)


@converts("Relu", since=1)
class Relu(Operator):
    def build(self, site: Site) -> nn.Module:
        return nn.ReLU()

    def lower(self, site: Site, plan: Plan) -> str:
        return plan.add(RELU, site.node.inputs[0])
