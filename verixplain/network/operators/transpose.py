"""Transpose."""

from verixplain.network.graph import Site, require
from verixplain.network.operators._moves import Map, Move, has_batch
from verixplain.network.operators._table import converts


@converts("Transpose", since=1)
class Transpose(Move):
    def map(self, site: Site) -> tuple[Map, int]:
        before = site.shape(0)
        order = site.ints("perm") or tuple(reversed(range(len(before))))
        require(
            sorted(order) == list(range(len(before))),
            f"perm {order} of {len(before)} dimensions",
        )
        after = tuple(before[k] for k in order)
        if order[:1] != (0,) and has_batch(before) and has_batch(after):
            # A dimension of 1 trades places with the batch: permute within each sample.
            inner = [k + 1 for k in order]
            return lambda x: x[:, None].permute(0, *inner).reshape(x.shape[0], *after[1:]), 0
        return lambda x: x.permute(order), 0
