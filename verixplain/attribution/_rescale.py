"""DeepLIFT's rescale rule: through a nonlinearity goes the ratio of differences."""

import torch
from torch import Tensor

from verixplain.attribution._base import Explained
from verixplain.attribution._layers import CURVES, Layer, gradient_of, run, with_back

SMALLEST = 1e-10
"""Differences below this use the gradient instead of a ratio."""


def multipliers(explained: Explained, start: Tensor) -> Tensor:
    """`m` with `sum of m (x - start)` the change of the explained number, in the input's shape."""
    reference: list[tuple[Tensor, ...]] = []

    def record(layer: Layer, *inputs: Tensor):
        reference.append(inputs)
        return layer.module(*inputs)

    with torch.no_grad():
        run(explained, start[None], record)
    before = iter(reference)

    def rescale(layer: Layer, *inputs: Tensor):
        then = next(before)
        if layer.operator in CURVES:
            return with_back(layer, lambda grad: _curve(layer, inputs[0], then[0], grad), *inputs)
        if layer.operator == "MaxPool":
            return with_back(layer, lambda grad: _pool(layer, inputs[0], then[0], grad), *inputs)
        return layer.module(*inputs)

    return gradient_of(explained, rescale)


def _slope(layer: Layer, x: Tensor, grad: Tensor) -> Tensor:
    x = x.detach().requires_grad_()
    return torch.autograd.grad((layer.module(x) * grad).sum(), x)[0]


def _curve(layer: Layer, x: Tensor, then: Tensor, grad: Tensor) -> tuple[Tensor]:
    with torch.no_grad():
        rise, run_ = layer.module(x) - layer.module(then), x - then
    small = run_.abs() < SMALLEST
    ratio = grad * rise / torch.where(small, torch.ones_like(run_), run_)
    return (torch.where(small, _slope(layer, x, grad), ratio),)


def _pool(layer: Layer, x: Tensor, then: Tensor, grad: Tensor) -> tuple[Tensor]:
    """What is higher now came with the present maximum, what is lower with the former one."""
    with torch.no_grad():
        now, was = layer.module(x), layer.module(then)
        higher = torch.maximum(now, was)
    gained = _slope(layer, x, grad * (higher - was)) + _slope(layer, then, grad * (now - higher))
    difference = x - then
    small = difference.abs() < SMALLEST
    ratio = gained / torch.where(small, torch.ones_like(difference), difference)
    return (torch.where(small, _slope(layer, x, grad), ratio),)
