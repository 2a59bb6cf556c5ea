"""Gemm: alpha * A' B' + beta * C."""

import torch
from torch import nn

from verixplain.network.graph import Site, require
from verixplain.network.operators._table import Operator, converts
from verixplain.network.primitives import Linear, Plan


def _weights(site: Site) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Weight (outputs, inputs) and bias (outputs,) with alpha and beta multiplied in."""
    require(site.rank == 2, f"the first input has {site.rank} dimensions, Gemm takes 2")
    require(not site.attribute("transA", 0), "transA on an input that varies mixes the batch")
    weight = torch.from_numpy(site.constant(1, "B").copy())
    require(weight.ndim == 2, f"a weight of shape {tuple(weight.shape)}")
    weight = weight if site.attribute("transB", 0) else weight.T.contiguous()
    alpha, beta = float(site.attribute("alpha", 1.0)), float(site.attribute("beta", 1.0))
    bias = None
    if site.given(2):
        bias = torch.from_numpy(site.constant(2, "C").copy())
        require(bias.ndim < 2 or bias.shape[0] == 1, f"a bias of shape {tuple(bias.shape)}")
        bias = (beta * bias).reshape(-1).expand(weight.shape[0]).contiguous()
    return (weight if alpha == 1 else alpha * weight), bias


@converts("Gemm", since=1)
class Gemm(Operator):
    def build(self, site: Site) -> nn.Module:
        weight, bias = _weights(site)
        layer = nn.Linear(*weight.T.shape, bias=bias is not None, dtype=weight.dtype)
        layer.weight = nn.Parameter(weight, requires_grad=False)
        if bias is not None:
            layer.bias = nn.Parameter(bias, requires_grad=False)
        return layer

    def lower(self, site: Site, plan: Plan) -> str:
        return plan.add(Linear(*_weights(site)), site.node.inputs[0])
