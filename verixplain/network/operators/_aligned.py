"""Operators that broadcast: which constants stand where, and whether the batch stays a batch."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from verixplain.network.graph import Site, limit


def misaligned(site: Site, *numbers: int) -> str | None:
    """Why broadcasting the inputs `numbers` (default: all) would mix samples; None if it does not.

    Numpy aligns shapes at their ends. The result's first dimension is the batch, sample by
    sample, exactly if every input that varies has all the result's dimensions (its own first
    one being the batch) and no constant has more than one entry along the first.
    """
    given = numbers or tuple(k for k in range(len(site.node.inputs)) if site.given(k))
    rank = max(len(site.shape(k)) for k in given)
    for k in given:
        shape = site.shape(k)
        if site.is_constant(k):
            if len(shape) == rank and rank and shape[0] != 1:
                return f"constant input {k} of shape {shape} has an entry per sample"
        elif len(shape) != rank:
            return f"input {k} has {len(shape)} dimensions of {rank}: its batch is not the first"
    return None


def float64(array: np.ndarray | float) -> Tensor:
    """A constant as primitives want it."""
    return torch.from_numpy(np.array(array, dtype=np.float64))


class WithConstants(nn.Module):
    """A function of all of a node's inputs, those that are constant kept as buffers."""

    def __init__(self, site: Site, function: Callable[..., Tensor], label: str = "") -> None:
        super().__init__()
        shapes = [site.shape(k) for k in range(len(site.node.inputs))]
        limit(np.broadcast_shapes(*shapes), "the result")
        self.function, self.label = function, label
        self.places = [site.is_constant(k) for k in range(len(site.node.inputs))]
        for k, constant in enumerate(self.places):
            if constant:
                self.register_buffer(f"input{k}", torch.from_numpy(site.constant(k).copy()))

    def forward(self, *inputs: Tensor) -> Tensor:
        varying = iter(inputs)
        return self.function(
            *(
                getattr(self, f"input{k}") if constant else next(varying)
                for k, constant in enumerate(self.places)
            )
        )

    def extra_repr(self) -> str:
        return self.label
