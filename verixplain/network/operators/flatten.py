"""Flatten."""

import math

from torch import nn

from verixplain.network.graph import Site
from verixplain.network.operators._table import Apply, Operator, converts
from verixplain.network.primitives import Plan, Rearrange


@converts("Flatten", since=1)
class Flatten(Operator):
    def build(self, site: Site) -> nn.Module:
        shape = self._shape(site)
        if int(site.attribute("axis", 1)) == 1:
            return nn.Flatten()
        return Apply(lambda x: x.reshape(x.shape[0] * shape[0], *shape[1:]), f"{shape}")

    def _shape(self, site: Site) -> tuple[int, int]:
        axis = int(site.attribute("axis", 1))
        axis = axis if axis == site.rank else site.positive_axis(axis)
        shape = site.shape(0)
        return math.prod(shape[:axis]), math.prod(shape[axis:])

    def mixes_batch(self, site: Site) -> str | None:
        first = self._shape(site)[0]
        return None if first == 1 else f"the first dimension becomes {first}, not the batch"

    def lower(self, site: Site, plan: Plan) -> str:
        return plan.add(Rearrange(lambda x: x.flatten(1)), site.node.inputs[0])
