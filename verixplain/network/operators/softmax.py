"""Softmax: before opset 13 over all dimensions from `axis` on, since then over one."""

import torch
from torch import Tensor, nn

from verixplain.network.graph import Site, limit
from verixplain.network.operators._aligned import float64
from verixplain.network.operators._table import Apply, Operator, converts
from verixplain.network.operators.exp import EXP
from verixplain.network.operators.reciprocal import RECIPROCAL
from verixplain.network.primitives import Plan, Rearrange, ScaleShift, Sum


def others(x: Tensor, axis: int) -> Tensor:
    """For every entry along `axis` all the others, along a new last dimension."""
    n = x.shape[axis]
    return torch.cat([x, x], dim=axis).narrow(axis, 1, 2 * n - 2).unfold(axis, n - 1, 1)


def add_denominator(plan: Plan, x: str, axis: int, shape: tuple[int, ...]) -> str:
    """Append `1 + sum over j != i of exp(x_j - x_i)`: one over entry `i` of softmax.

    The term of `i` itself is 1 exactly, which interval arithmetic would not see; nothing is
    divided, and nothing added for safety, so ranges of logits may be as wide as they like.
    """
    n = shape[axis]
    if n == 1:
        return plan.add(ScaleShift(scale=float64(0.0), shift=float64(1.0)), x)
    limit((*shape, n - 1), "the table of differences behind a softmax")
    other = plan.add(Rearrange(lambda v: others(v, axis)), x)
    own = plan.add(Rearrange(lambda v: v.unsqueeze(-1)), x)
    powers = plan.add(EXP, plan.add(Sum(1, -1), other, own))
    total = plan.add(Rearrange(lambda v: v.sum(-1), terms=n - 1), powers)
    return plan.add(ScaleShift(shift=float64(1.0)), total)


class OneAxis(Operator):
    """Softmax and LogSoftmax over a single dimension."""

    default = -1

    def module(self, axis: int) -> nn.Module:
        """The torch module over dimension `axis`."""
        raise NotImplementedError

    def finish(self, plan: Plan, denominator: str) -> str:
        """From one over softmax to the result."""
        raise NotImplementedError

    def build(self, site: Site) -> nn.Module:
        return self.module(site.axis(self.default))

    def mixes_batch(self, site: Site) -> str | None:
        return "its axis is the batch" if site.axis(self.default) == 0 else None

    def lower(self, site: Site, plan: Plan) -> str:
        axis, x = site.axis(self.default), site.node.inputs[0]
        return self.finish(plan, add_denominator(plan, x, axis, site.shape(0)))


class Flattening(OneAxis):
    """The meaning before opset 13: over all dimensions from `axis` on, taken as one."""

    default = 1

    def build(self, site: Site) -> nn.Module:
        axis = site.axis(self.default)
        module = self.module(axis)
        if axis == site.rank - 1:
            return module
        return Apply(lambda x: module(x.flatten(axis)).reshape(x.shape), f"from {axis} on")

    def lower(self, site: Site, plan: Plan) -> str:
        axis, x = site.axis(self.default), site.node.inputs[0]
        shape = site.shape(0)
        flat = (*shape[:axis], torch.Size(shape[axis:]).numel())
        if axis < site.rank - 1:
            x = plan.add(Rearrange(lambda v: v.flatten(axis)), x)
        result = self.finish(plan, add_denominator(plan, x, axis, flat))
        if axis < site.rank - 1:
            result = plan.add(Rearrange(lambda v: v.unflatten(axis, shape[axis:])), result)
        return result


class _Softmax(OneAxis):
    def module(self, axis: int) -> nn.Module:
        return nn.Softmax(dim=axis)

    def finish(self, plan: Plan, denominator: str) -> str:
        return plan.add(RECIPROCAL, denominator)


@converts("Softmax", since=1)
class Softmax1(_Softmax, Flattening):
    pass


@converts("Softmax", since=13)
class Softmax(_Softmax):
    pass
