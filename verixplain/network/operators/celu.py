"""Celu."""

from torch import nn

from verixplain.network.graph import Site, require
from verixplain.network.operators._table import Operator, converts
from verixplain.network.operators.elu import exponential_unit
from verixplain.network.primitives import Plan


@converts("Celu", since=12)
class Celu(Operator):
    def build(self, site: Site) -> nn.Module:
        return nn.CELU(self._alpha(site))

    def _alpha(self, site: Site) -> float:
        alpha = float(site.attribute("alpha", 1.0))
        require(alpha > 0, f"alpha = {alpha}; only positive ones are supported")
        return alpha

    def lower(self, site: Site, plan: Plan) -> str:
        alpha = self._alpha(site)
        return plan.add(exponential_unit(alpha, 1 / alpha), site.node.inputs[0])
