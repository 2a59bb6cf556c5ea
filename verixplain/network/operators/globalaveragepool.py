"""GlobalAveragePool."""

import math

from torch import nn

from verixplain.network.graph import Site, require
from verixplain.network.operators._moves import Map, Move
from verixplain.network.operators._table import converts

_KINDS = {3: nn.AdaptiveAvgPool1d, 4: nn.AdaptiveAvgPool2d, 5: nn.AdaptiveAvgPool3d}


@converts("GlobalAveragePool", since=1)
class GlobalAveragePool(Move):
    def build(self, site: Site) -> nn.Module:
        require(site.rank in _KINDS, f"{site.rank} dimensions; supported are 3 to 5")
        return _KINDS[site.rank](1)

    def map(self, site: Site) -> tuple[Map, int]:
        dimensions = tuple(range(2, site.rank))
        terms = math.prod(site.shape(0)[2:]) + 1
        return lambda x: x.mean(dimensions, keepdim=True), terms
