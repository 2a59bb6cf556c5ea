"""Slice."""

import torch
from torch import Tensor

from verixplain.network.graph import Site, require
from verixplain.network.operators._moves import Map, Move, has_batch
from verixplain.network.operators._table import converts


def _taken(size: int, start: int, end: int, step: int) -> range:
    """The places that one slice of a dimension of `size` takes."""
    require(step != 0, "a step of 0")
    low = start + size if start < 0 else start
    # Here the text of the standard (clamp) and its reference (take nothing) disagree.
    require(low >= 0 or step > 0, f"start {start} with step {step} in a dimension of {size}")
    return range(*slice(start, end, step).indices(size))


def _map(
    site: Site,
    starts: tuple[int, ...],
    ends: tuple[int, ...],
    axes: tuple[int, ...] | None,
    steps: tuple[int, ...] | None,
) -> tuple[Map, int]:
    axes = tuple(range(len(starts))) if axes is None else axes
    steps = (1,) * len(starts) if steps is None else steps
    axes = tuple(site.positive_axis(axis) for axis in axes)
    require(len(set(axes)) == len(axes), f"axes {axes} name a dimension twice")
    require(
        len(starts) == len(ends) == len(axes) == len(steps),
        f"{len(starts)} starts, {len(ends)} ends, {len(axes)} axes and {len(steps)} steps",
    )
    shape = site.shape(0)
    places = {
        axis: _taken(shape[axis], start, end, step)
        for axis, start, end, step in zip(axes, starts, ends, steps, strict=True)
    }
    if has_batch(shape) and len(places.get(0, ())) == 1:
        del places[0]  # it takes the one sample there is

    def cut(x: Tensor) -> Tensor:
        for axis, taken in places.items():
            if taken.step > 0:  # torch has no negative steps
                stop = max(taken.start, taken.stop)
                x = x[(slice(None),) * axis + (slice(taken.start, stop, taken.step),)]
            else:
                x = x.index_select(
                    axis, torch.tensor(list(taken), dtype=torch.int64, device=x.device)
                )
        return x

    return cut, 0


@converts("Slice", since=1)
class Slice(Move):
    def map(self, site: Site) -> tuple[Map, int]:
        starts, ends = site.required_ints("starts"), site.required_ints("ends")
        return _map(site, starts, ends, site.ints("axes"), None)


@converts("Slice", since=10)
class Slice10(Move):
    """From opset 10 on everything is an input, and there are steps."""

    def map(self, site: Site) -> tuple[Map, int]:
        starts, ends = site.required_ints("starts", 1), site.required_ints("ends", 2)
        return _map(site, starts, ends, site.ints("axes", 3), site.ints("steps", 4))
