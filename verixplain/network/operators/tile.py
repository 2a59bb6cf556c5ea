"""Tile."""

from verixplain.network.graph import Site, limit, require
from verixplain.network.operators._moves import Map, Move
from verixplain.network.operators._table import converts


@converts("Tile", since=6)
class Tile(Move):
    def map(self, site: Site) -> tuple[Map, int]:
        repeats = site.required_ints("repeats", 1)
        require(
            len(repeats) == site.rank and min(repeats, default=1) > 0,
            f"repeats {repeats} of a tensor with {site.rank} dimensions",
        )
        limit([n * k for n, k in zip(site.shape(0), repeats, strict=True)], "the result")
        return lambda x: x.repeat(repeats), 0
