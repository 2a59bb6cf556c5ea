"""A network run layer by layer, with some layers' values watched or their gradients replaced.

Nothing is hooked into the network's modules, so there is nothing that has to be put back.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from verixplain.attribution._base import Explained
from verixplain.errors import UnsupportedMethodError

RELUS = {"Relu"}
CURVES = RELUS | {
    "Abs", "Celu", "Clip", "Elu", "Erf", "Exp", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu",
    "Log", "Mish", "PRelu", "Reciprocal", "Selu", "Sigmoid", "Softplus", "Softsign", "Sqrt",
    "Swish", "Tanh", "ThresholdedRelu",
}  # fmt: skip
"""Operators that apply one function to every number by itself."""

WEIGHTED = {"Conv", "ConvTranspose", "Gemm", "MatMul", "BatchNormalization"}
SUMS = {"Add", "Sub", "Sum"}
SCALED = SUMS | {"Mul", "Div", "Neg"}
AVERAGES = {"AveragePool", "GlobalAveragePool", "ReduceMean", "ReduceSum"}
MOVES = {
    "Cast", "Concat", "Dropout", "Expand", "Flatten", "Gather", "Identity", "MaxPool", "Pad",
    "Reshape", "Slice", "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze",
}  # fmt: skip
"""Operators whose every result is one of their inputs' numbers."""


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer of the network: its ONNX node's name and operator, and its torch module."""

    name: str
    operator: str
    module: nn.Module


Call = Callable[..., Any]


def layers(explained: Explained) -> list[Layer]:
    """Every layer, in the order in which they run."""
    module = explained.network.at(explained.dtype, explained.device)
    nodes = explained.network.graph.nodes
    return [
        Layer(node.name, node.operator, getattr(module, name))
        for (name, _, _), node in zip(module.wiring, nodes, strict=True)  # type: ignore[arg-type]
    ]


def run(explained: Explained, x: Tensor, call: Call) -> Tensor:
    """The network's outputs (1, outputs) at one input, every layer run by `call`.

    Args:
        explained: whose network, in its precision.
        x: (1, *input shape).
        call: `call(layer, *inputs)` gives what `layer.module(*inputs)` would.
    """
    module = explained.network.at(explained.dtype, explained.device)
    values: dict[str, Tensor] = {module.input_name: x}  # type: ignore[dict-item]
    for layer, (_, inputs, outputs) in zip(layers(explained), module.wiring, strict=True):  # type: ignore[arg-type]
        results = call(layer, *[values[value] for value in inputs])
        results = (results,) if isinstance(results, Tensor) else results
        values.update((name, one) for name, one in zip(outputs, results, strict=False) if name)
    return values[module.output_name].reshape(1, explained.network.outputs)  # type: ignore[index]


class Replaced(torch.autograd.Function):
    """A result whose gradient is computed by a function of our own."""

    @staticmethod
    def forward(ctx: Any, back: Call, result: Tensor, *inputs: Tensor) -> Tensor:
        ctx.back = back
        return result.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (grad,) = grads
        with torch.enable_grad():
            return (None, None, *ctx.back(grad))


def with_back(layer: Layer, back: Callable[[Tensor], Sequence[Tensor]], *inputs: Tensor) -> Tensor:
    """The layer's result, through which gradients go back as `back` says."""
    with torch.no_grad():
        result = layer.module(*inputs)
    return Replaced.apply(back, result, *inputs)  # type: ignore[return-value]


def gradient_of(explained: Explained, call: Call) -> Tensor:
    """The gradient of the explained number at the input, every layer run by `call`."""
    with torch.enable_grad():
        x = explained.x[None].detach().requires_grad_()
        number = explained.number(run(explained, x, call))
        (found,) = torch.autograd.grad(number.sum(), x, allow_unused=True)
    return torch.zeros_like(explained.x) if found is None else found[0]


def need(explained: Explained, method: str, operators: set[str], what: str) -> None:
    """Refuse a network without any of these operators.

    Raises:
        UnsupportedMethodError: it has none.
    """
    if not any(layer.operator in operators for layer in layers(explained)):
        raise UnsupportedMethodError(
            f"{method} needs {what}, and network {explained.network.name!r} has none"
        )
