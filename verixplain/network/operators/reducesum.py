"""ReduceSum."""

from verixplain.network.graph import Site
from verixplain.network.operators._moves import Map, Move
from verixplain.network.operators._reduce import reduction
from verixplain.network.operators._table import converts


@converts("ReduceSum", since=1)
class ReduceSum(Move):
    def map(self, site: Site) -> tuple[Map, int]:
        return reduction(site, site.ints("axes"), mean=False)


@converts("ReduceSum", since=13)
class ReduceSum13(Move):
    """From opset 13 on the axes are an input."""

    def map(self, site: Site) -> tuple[Map, int]:
        return reduction(site, site.ints("axes", 1), mean=False)
