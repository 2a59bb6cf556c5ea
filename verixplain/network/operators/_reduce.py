"""What the operators share that add up or average over dimensions."""

import math

from torch import Tensor

from verixplain.network.graph import Site
from verixplain.network.operators._moves import Map, has_batch


def reduction(site: Site, axes: tuple[int, ...] | None, mean: bool) -> tuple[Map, int]:
    """The sum or mean over `axes` (none given: over all, unless the node says otherwise)."""
    shape, keep = site.shape(0), bool(site.attribute("keepdims", 1))
    if not axes:
        nothing = bool(site.attribute("noop_with_empty_axes", 0))
        axes = () if nothing else tuple(range(len(shape)))
    over = {site.positive_axis(axis) for axis in axes}
    after = tuple(1 if k in over else n for k, n in enumerate(shape) if keep or k not in over)
    batched = has_batch(shape) and has_batch(after)
    # One sample is its own sum: with a batch the first dimension is left alone.
    dimensions = tuple(sorted(over - {0} if batched else over))
    terms = math.prod(shape[k] for k in dimensions) if dimensions else 0

    def reduce(x: Tensor) -> Tensor:
        if dimensions:
            x = x.mean(dimensions) if mean else x.sum(dimensions)
        return x.reshape(x.shape[0], *after[1:]) if batched else x.reshape(after)

    return reduce, terms + (mean and bool(dimensions))
