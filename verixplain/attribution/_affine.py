"""Affine layers by parts: their offset, and what each input adds to or takes from the result."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import functional_call

from verixplain.attribution._layers import AVERAGES, SCALED, SUMS, WEIGHTED, Layer


def is_affine(layer: Layer, *inputs: Tensor) -> bool:
    """Whether the layer is an affine map of one varying input, so that it has an offset."""
    if len(inputs) != 1:
        return False
    (x,) = inputs
    if layer.operator == "Div":  # a constant divided by the input is no affine map
        ones = torch.ones_like(x)
        with torch.no_grad():
            one, two = layer.module(ones), layer.module(2 * ones)
        return bool(torch.allclose(two, 2 * one))
    return layer.operator in WEIGHTED | SCALED | AVERAGES


def offset(layer: Layer, x: Tensor) -> Tensor:
    """`f(0)` of an affine layer."""
    with torch.no_grad():
        return layer.module(torch.zeros_like(x))


@dataclass(frozen=True, eq=False)
class Parts:
    """A result as what is added, what is taken away, and the constant: their sum is the result.

    `raised` and `lowered` can be differentiated with respect to `sources`, which are not
    negative: an entry's contribution is the entry times its slope.
    """

    raised: Tensor
    lowered: Tensor
    constant: Tensor
    sources: tuple[Tensor, ...]


def parts(layer: Layer, *inputs: Tensor) -> Parts:
    """The parts of an affine layer, or of a sum of several varying inputs."""
    ups = [x.clamp(min=0).detach().requires_grad_() for x in inputs]
    downs = [(-x).clamp(min=0).detach().requires_grad_() for x in inputs]
    sources = (*ups, *downs)
    if len(inputs) > 1:
        if layer.operator == "Sub":
            ups[1], downs[1] = downs[1], ups[1]
        whole = torch.zeros_like(layer.module(*inputs))
        raised, lowered = whole + sum(ups), whole - sum(downs)
        return Parts(raised, lowered, whole, sources)
    x, up, down = next(iter(inputs)), ups[0], downs[0]
    constant = offset(layer, x)
    if layer.operator in SUMS | {"Mul", "Div", "Neg"} and layer.operator not in WEIGHTED:
        with torch.no_grad():
            scale = layer.module(torch.ones_like(x)) - constant
        more, less = scale.clamp(min=0), scale.clamp(max=0)
        return Parts(more * up - less * down, less * up - more * down, constant, sources)
    if layer.operator in AVERAGES:
        return Parts(layer.module(up), -layer.module(down), constant, sources)
    more, less = (_signed(layer, sign) for sign in (1, -1))
    raised = _linear(layer, more, up) + _linear(layer, less, down, -1)
    lowered = _linear(layer, less, up) + _linear(layer, more, down, -1)
    return Parts(raised, lowered, constant, sources)


def _signed(layer: Layer, sign: int) -> dict[str, Tensor]:
    """The layer's tensors with its weights' positive or negative part alone, and no constants."""
    found = {}
    for name, value in (*layer.module.named_parameters(), *layer.module.named_buffers()):
        kind = name.rpartition(".")[2]
        if kind == "weight":
            found[name] = value.clamp(min=0) if sign > 0 else value.clamp(max=0)
        elif kind in ("bias", "running_mean"):
            found[name] = torch.zeros_like(value)
    return found


def _linear(layer: Layer, tensors: dict[str, Tensor], x: Tensor, factor: int = 1) -> Tensor:
    return factor * functional_call(layer.module, tensors, (x,))
