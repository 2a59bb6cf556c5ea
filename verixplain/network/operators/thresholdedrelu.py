"""ThresholdedRelu: x where x > alpha, else 0."""

from torch import nn

from verixplain.network.graph import Site, require
from verixplain.network.operators._table import Operator, converts
from verixplain.network.operators.relu import RELU
from verixplain.network.primitives import Plan


@converts("ThresholdedRelu", since=10)
class ThresholdedRelu(Operator):
    def build(self, site: Site) -> nn.Module:
        return nn.Threshold(float(site.attribute("alpha", 1.0)), 0.0)

    def lower(self, site: Site, plan: Plan) -> str:
        alpha = float(site.attribute("alpha", 1.0))
        require(alpha == 0, f"no bounds where the function jumps (alpha = {alpha})")
        return plan.add(RELU, site.node.inputs[0])
