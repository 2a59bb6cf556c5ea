"""HardSigmoid: max(0, min(1, alpha x + beta))."""

import torch
from torch import nn

from verixplain.network.graph import Site
from verixplain.network.operators._aligned import float64
from verixplain.network.operators._table import Apply, Operator, converts
from verixplain.network.operators.clip import add_clip
from verixplain.network.primitives import Plan, ScaleShift


@converts("HardSigmoid", since=1)
class HardSigmoid(Operator):
    """Not torch's nn.Hardsigmoid: ONNX has any slope, and 1/6 as rounded to float32."""

    def build(self, site: Site) -> nn.Module:
        alpha, beta = self._line(site)
        return Apply(lambda x: torch.clamp(alpha * x + beta, 0, 1), f"{alpha}, {beta}")

    def _line(self, site: Site) -> tuple[float, float]:
        return float(site.attribute("alpha", 0.2)), float(site.attribute("beta", 0.5))

    def lower(self, site: Site, plan: Plan) -> str:
        alpha, beta = self._line(site)
        line = ScaleShift(scale=float64(alpha), shift=float64(beta))
        return add_clip(plan, plan.add(line, site.node.inputs[0]), 0.0, 1.0)
