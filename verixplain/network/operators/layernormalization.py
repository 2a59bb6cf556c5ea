"""LayerNormalization."""

import numpy as np
import torch
from torch import Tensor, nn

from verixplain.network.graph import Site, require
from verixplain.network.operators._aligned import float64
from verixplain.network.operators._table import Operator, converts
from verixplain.network.operators.pow import SQUARE, power
from verixplain.network.primitives import Plan, Product, Rearrange, ScaleShift, Sum

RSQRT = power(-0.5)


class _Moments(nn.Module):
    """Layer normalisation whose scale and bias broadcast; with `moments` also the other outputs."""

    def __init__(
        self, dims: tuple[int, ...], eps: float, scale: Tensor, bias: Tensor | None, moments: bool
    ) -> None:
        super().__init__()
        self.dims, self.eps, self.moments = dims, eps, moments
        self.weight = nn.Parameter(scale, requires_grad=False)
        self.bias = None if bias is None else nn.Parameter(bias, requires_grad=False)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        mean = x.mean(self.dims, keepdim=True)
        centred = x - mean
        inverse = torch.rsqrt(centred.square().mean(self.dims, keepdim=True) + self.eps)
        y = centred * inverse * self.weight
        y = y if self.bias is None else y + self.bias
        return (y, mean, inverse) if self.moments else y


@converts("LayerNormalization", since=17)
class LayerNormalization(Operator):
    def build(self, site: Site) -> nn.Module:
        axis, eps = site.axis(-1), float(site.attribute("epsilon", 1e-5))
        scale = torch.from_numpy(site.constant(1, "scale").copy())
        bias = torch.from_numpy(site.constant(2, "bias").copy()) if site.given(2) else None
        for k in (1, 2):
            shape = site.shape(k) if site.given(k) else ()
            require(
                np.broadcast_shapes(shape, site.shape(0)) == site.shape(0),
                f"input {k} of shape {shape} for an input of shape {site.shape(0)}",
            )
        over, moments = site.shape(0)[axis:], any(site.node.outputs[1:])
        if moments or scale.shape != over or (bias is not None and bias.shape != over):
            return _Moments(tuple(range(axis, site.rank)), eps, scale, bias, moments)
        layer = nn.LayerNorm(list(over), eps, bias=bias is not None, dtype=scale.dtype)
        layer.weight = nn.Parameter(scale, requires_grad=False)
        if bias is not None:
            layer.bias = nn.Parameter(bias, requires_grad=False)
        return layer

    def mixes_batch(self, site: Site) -> str | None:
        if site.axis(-1) == 0:
            return "it normalises over the batch"
        for k in (1, 2):
            shape = site.shape(k) if site.given(k) else ()
            if len(shape) > site.rank or (len(shape) == site.rank and shape[:1] != (1,)):
                return f"constant input {k} of shape {shape} has an entry per sample"
        return None

    def lower(self, site: Site, plan: Plan) -> tuple[str, ...]:
        axis, x = site.axis(-1), site.node.inputs[0]
        shape = site.shape(0)
        dims = tuple(range(axis, len(shape)))
        n = torch.Size(shape[axis:]).numel()

        def mean(v: Tensor) -> Tensor:
            return v.mean(dim=dims, keepdim=True)

        # One more term than numbers: dividing by n rounds once.
        average = plan.add(Rearrange(mean, terms=n + 1), x)
        centred = plan.add(Sum(1, -1), x, average)
        variance = plan.add(Rearrange(mean, terms=n + 1), plan.add(SQUARE, centred))
        eps = float64(site.attribute("epsilon", 1e-5))
        inverse = plan.add(RSQRT, plan.add(ScaleShift(shift=eps), variance))
        normal = plan.add(Product(), centred, inverse)
        bias = float64(site.constant(2, "bias")) if site.given(2) else None
        y = plan.add(ScaleShift(scale=float64(site.constant(1)), shift=bias), normal)
        return y, average, inverse
