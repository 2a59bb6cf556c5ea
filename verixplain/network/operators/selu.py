"""Selu."""

import torch
from torch import Tensor, nn

from verixplain.network.graph import Site
from verixplain.network.operators._aligned import float64
from verixplain.network.operators._table import Apply, Operator, converts
from verixplain.network.operators.elu import exponential_unit
from verixplain.network.primitives import Plan, ScaleShift

ALPHA, GAMMA = 1.67326319217681884765625, 1.05070102214813232421875


@converts("Selu", since=1)
class Selu(Operator):
    """Not torch's nn.SELU: its constants differ from ONNX's in the eighth digit."""

    def build(self, site: Site) -> nn.Module:
        alpha, gamma = self._constants(site)

        def selu(x: Tensor) -> Tensor:
            return gamma * torch.where(x > 0, x, alpha * torch.expm1(x.clamp(max=0)))

        return Apply(selu, f"{alpha}, {gamma}")

    def _constants(self, site: Site) -> tuple[float, float]:
        # Before opset 6 the defaults were written with four digits.
        old = site.opset < 6
        return (
            float(site.attribute("alpha", 1.6732 if old else ALPHA)),
            float(site.attribute("gamma", 1.0507 if old else GAMMA)),
        )

    def lower(self, site: Site, plan: Plan) -> str:
        alpha, gamma = self._constants(site)
        unit = plan.add(exponential_unit(alpha), site.node.inputs[0])
        return plan.add(ScaleShift(scale=float64(gamma)), unit)
