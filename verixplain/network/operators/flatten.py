"""Flatten."""

import math

from torch import nn

from verixplain.network.graph import Site
from verixplain.network.operators._moves import Map, Move, reshaped
from verixplain.network.operators._table import converts


@converts("Flatten", since=1)
class Flatten(Move):
    def build(self, site: Site) -> nn.Module:
        return nn.Flatten() if int(site.attribute("axis", 1)) == 1 else super().build(site)

    def map(self, site: Site) -> tuple[Map, int]:
        axis = int(site.attribute("axis", 1))
        axis = axis if axis == site.rank else site.positive_axis(axis)
        shape = site.shape(0)
        return reshaped(site, (math.prod(shape[:axis]), math.prod(shape[axis:]))), 0
