"""Identity."""

from torch import nn

from verixplain.network.graph import Site
from verixplain.network.operators._table import Operator, converts
from verixplain.network.primitives import Plan


@converts("Identity", since=1)
class Identity(Operator):
    def build(self, site: Site) -> nn.Module:
        return nn.Identity()

    def lower(self, site: Site, plan: Plan) -> str:
        return site.node.inputs[0]
