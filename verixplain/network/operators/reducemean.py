"""ReduceMean."""

from verixplain.network.graph import Site
from verixplain.network.operators._moves import Map, Move
from verixplain.network.operators._reduce import reduction
from verixplain.network.operators._table import converts


@converts("ReduceMean", since=1)
class ReduceMean(Move):
    def map(self, site: Site) -> tuple[Map, int]:
        return reduction(site, site.ints("axes"), mean=True)


@converts("ReduceMean", since=18)
class ReduceMean18(Move):
    """From opset 18 on the axes are an input."""

    def map(self, site: Site) -> tuple[Map, int]:
        return reduction(site, site.ints("axes", 1), mean=True)
