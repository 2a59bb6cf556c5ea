"""Reshape."""

import math

from verixplain.network.graph import Site, require
from verixplain.network.operators._moves import Map, Move, reshaped
from verixplain.network.operators._table import converts


@converts("Reshape", since=5)
class Reshape(Move):
    def map(self, site: Site) -> tuple[Map, int]:
        before = site.shape(0)
        wanted = site.required_ints("shape", 1)
        shape = list(wanted)
        if not site.attribute("allowzero", 0):
            for k, n in enumerate(shape):
                require(
                    n != 0 or k < len(before), f"shape {wanted} copies a dimension {before} lacks"
                )
                shape[k] = before[k] if n == 0 else n
        require(shape.count(-1) <= 1 and min(shape, default=1) >= -1, f"shape {wanted}")
        size = math.prod(before)
        if -1 in shape:
            rest = -math.prod(shape)
            require(rest != 0 and size % rest == 0, f"{before} does not fit shape {wanted}")
            shape[shape.index(-1)] = size // rest
        require(math.prod(shape) == size, f"{before} does not fit shape {wanted}")
        return reshaped(site, tuple(shape)), 0
