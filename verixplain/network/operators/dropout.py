"""Dropout, which does nothing at inference."""

import torch
from torch import Tensor, nn

from verixplain.network.graph import Site, require
from verixplain.network.operators._table import Operator, converts
from verixplain.network.primitives import Plan, ScaleShift


class _WithMask(nn.Module):
    """The input, and that nothing of it is dropped."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, torch.ones_like(x, dtype=torch.bool)


@converts("Dropout", since=7)
class Dropout(Operator):
    def build(self, site: Site) -> nn.Module:
        if site.given(1):
            site.constant(1, "ratio")  # not used, but it must not be an input of the module
        if site.given(2):
            training = bool(site.constant(2, "training_mode").any())
            require(not training, "training_mode is true; only inference is supported")
        if len(site.node.outputs) > 1 and site.node.outputs[1]:
            return _WithMask()
        return nn.Identity()

    def lower(self, site: Site, plan: Plan) -> str | tuple[str, ...]:
        name = site.node.inputs[0]
        if len(site.node.outputs) == 1 or not site.node.outputs[1]:
            return name
        zero, one = torch.zeros((), dtype=torch.float64), torch.ones((), dtype=torch.float64)
        return name, plan.add(ScaleShift(zero, one), name)  # the mask: nothing is dropped
