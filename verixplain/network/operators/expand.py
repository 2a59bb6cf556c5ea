"""Expand."""

import numpy as np

from verixplain.network.graph import Site, limit, require
from verixplain.network.operators._broadcast import aligned
from verixplain.network.operators._moves import Map, Move, has_batch
from verixplain.network.operators._table import converts


@converts("Expand", since=8)
class Expand(Move):
    def map(self, site: Site) -> tuple[Map, int]:
        before, wanted = site.shape(0), site.ints("shape", 1) or ()
        require(min(wanted, default=1) > 0, f"shape {wanted}")
        pairs = zip(reversed(before), reversed(wanted), strict=False)
        require(all(a == b or 1 in (a, b) for a, b in pairs), f"{before} does not fit {wanted}")
        after = tuple(int(n) for n in np.broadcast_shapes(before, wanted))
        limit(after, "the result")
        if has_batch(before) and has_batch(after):
            return lambda x: aligned(x, len(after)).expand(x.shape[0], *after[1:]), 0
        return lambda x: x.expand(after), 0
