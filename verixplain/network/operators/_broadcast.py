"""What operators share whose inputs broadcast against each other."""

from collections.abc import Callable
from functools import reduce

import numpy as np
import torch
from torch import Tensor, nn

from verixplain.network.graph import Site, limit
from verixplain.network.operators._aligned import float64
from verixplain.network.operators._constants import weight
from verixplain.network.operators._moves import has_batch, loses_batch
from verixplain.network.operators._table import Operator
from verixplain.network.primitives import Plan, Rearrange


def result_shape(site: Site) -> tuple[int, ...]:
    """The shape that all inputs of the node broadcast to."""
    shape = np.broadcast_shapes(*[site.shape(k) for k in range(len(site.node.inputs))])
    limit(shape, "the result")
    return tuple(int(n) for n in shape)


def aligned(x: Tensor, rank: int) -> Tensor:
    """A batch with dimensions of 1 put in after the batch, until it has `rank` dimensions.

    Broadcasting puts them in front: for a batch of one, (1, ...) becomes (1, ..., 1, ...) either
    way, and this way the batch stays first.
    """
    return x.reshape(x.shape[0], *[1] * (rank - x.ndim), *x.shape[1:]) if x.ndim < rank else x


class Combine(nn.Module):
    """`function` applied from left to right to inputs and constants, broadcast."""

    def __init__(self, function: Callable[[Tensor, Tensor], Tensor], site: Site) -> None:
        super().__init__()
        self.function, self.rank = function, len(result_shape(site))
        self.constants: list[str | None] = []
        self.batched = [has_batch(site.shape(k)) for k in site.varying]
        for k in range(len(site.node.inputs)):
            self.constants.append(f"constant{k}" if site.is_constant(k) else None)
            if site.is_constant(k):
                constant = weight(site.constant(k))
                if site.after_weights:
                    self.register_parameter(f"constant{k}", constant)
                else:  # preprocessing: not a weight of the network
                    self.register_buffer(f"constant{k}", constant.data)

    def forward(self, *inputs: Tensor) -> Tensor:
        varying = iter(
            aligned(x, self.rank) if batched else x
            for x, batched in zip(inputs, self.batched, strict=True)
        )
        return reduce(
            self.function,
            [next(varying) if name is None else getattr(self, name) for name in self.constants],
        )


def operand(site: Site, plan: Plan, number: int, full: bool = False) -> str:
    """The plan's name of varying input `number`, with as many dimensions as the result.

    With `full` it is also expanded to the shape of the result, as constants need it.
    """
    name, shape, wanted = site.node.inputs[number], site.shape(number), result_shape(site)
    if shape == wanted or (not full and len(shape) == len(wanted)):
        return name
    rank, rest = len(wanted), wanted[1:]
    if full:
        return plan.add(Rearrange(lambda x: aligned(x, rank).expand(x.shape[0], *rest)), name)
    return plan.add(Rearrange(lambda x: aligned(x, rank)), name)


def factor(site: Site, number: int) -> Tensor:
    """Constant input `number` in float64, with as many dimensions as the result."""
    constant, rank = float64(site.constant(number)), len(result_shape(site))
    return constant.reshape(*[1] * (rank - constant.ndim), *constant.shape)


class Broadcasting(Operator):
    """An elementwise operator of inputs that broadcast.

    With first dimension 1 in every varying input and in the result, every constant has it too
    (or fewer dimensions), so sample k of the result comes from samples k alone.
    """

    function: Callable[[Tensor, Tensor], Tensor] = torch.add

    def build(self, site: Site) -> nn.Module:
        return Combine(type(self).function, site)

    def mixes_batch(self, site: Site) -> str | None:
        return loses_batch(site)
