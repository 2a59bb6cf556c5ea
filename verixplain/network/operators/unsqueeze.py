"""Unsqueeze."""

from verixplain.network.graph import Site, require
from verixplain.network.operators._moves import Map, Move, reshaped
from verixplain.network.operators._table import converts


def _map(site: Site, axes: tuple[int, ...]) -> tuple[Map, int]:
    rank = site.rank + len(axes)
    new = {site.positive_axis(axis, rank) for axis in axes}
    require(len(new) == len(axes), f"axes {axes} name a dimension twice")
    old = iter(site.shape(0))
    return reshaped(site, tuple(1 if k in new else next(old) for k in range(rank))), 0


@converts("Unsqueeze", since=1)
class Unsqueeze(Move):
    def map(self, site: Site) -> tuple[Map, int]:
        return _map(site, site.required_ints("axes"))


@converts("Unsqueeze", since=13)
class Unsqueeze13(Move):
    """From opset 13 on the axes are an input."""

    def map(self, site: Site) -> tuple[Map, int]:
        return _map(site, site.required_ints("axes", 1))
