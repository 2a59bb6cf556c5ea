"""Gather, with constant indices."""

import numpy as np
import torch
from torch import Tensor

from verixplain.network.graph import Site, limit, require
from verixplain.network.operators._moves import Map, Move, has_batch
from verixplain.network.operators._table import converts


@converts("Gather", since=1)
class Gather(Move):
    def map(self, site: Site) -> tuple[Map, int]:
        axis, shape = site.axis(0), site.shape(0)
        indices = np.asarray(site.constant(1, "indices")).astype(np.int64)
        size = shape[axis]
        inside = bool(((indices >= -size) & (indices < size)).all())
        require(inside, f"indices outside a dimension of {size}")
        after = (*shape[:axis], *indices.shape, *shape[axis + 1 :])
        limit(after, "the result")
        places = (indices % size).ravel()
        if has_batch(shape) and has_batch(after):
            rest = after[1:]
            if axis == 0:  # every index is 0: the one sample, repeated inside itself
                copies = indices.size
                return lambda x: _repeated(x, copies).reshape(x.shape[0], *rest), 0
            return lambda x: _picked(x, axis, places).reshape(x.shape[0], *rest), 0
        return lambda x: _picked(x, axis, places).reshape(after), 0


def _picked(x: Tensor, axis: int, places: np.ndarray) -> Tensor:
    return x.index_select(axis, torch.from_numpy(places).to(x.device))


def _repeated(x: Tensor, copies: int) -> Tensor:
    return x[:, None].expand(x.shape[0], copies, *x.shape[1:])
