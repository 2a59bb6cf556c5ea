"""Squeeze."""

from verixplain.network.graph import Site, require
from verixplain.network.operators._moves import Map, Move, reshaped
from verixplain.network.operators._table import converts


def _map(site: Site, axes: tuple[int, ...] | None) -> tuple[Map, int]:
    shape = site.shape(0)
    if axes is None:
        gone = {k for k, n in enumerate(shape) if n == 1}
    else:
        gone = {site.positive_axis(axis) for axis in axes}
    wide = [k for k in gone if shape[k] != 1]
    require(not wide, f"axes {sorted(gone)} of {shape}: only dimensions of 1 can be squeezed")
    return reshaped(site, tuple(n for k, n in enumerate(shape) if k not in gone)), 0


@converts("Squeeze", since=1)
class Squeeze(Move):
    def map(self, site: Site) -> tuple[Map, int]:
        return _map(site, site.ints("axes"))


@converts("Squeeze", since=13)
class Squeeze13(Move):
    """From opset 13 on the axes are an input."""

    def map(self, site: Site) -> tuple[Map, int]:
        return _map(site, site.ints("axes", 1))
