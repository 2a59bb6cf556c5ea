"""The few kinds of function that bounds know.

Every ONNX operator is rewritten (`lower` in its file) into these, so a bound method has five
cases whatever the network: affine maps, functions of one number, max pooling, and two kinds of
product. All act on batches, sample by sample, in the dtype and on the device of their inputs.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Affine(nn.Module):
    """`y = A (x_1, ..., x_n) + b`, sample by sample.

    `terms` is the length of the longest sum in `A`, one more where there is a bias: rounding
    allowances grow with it. Coefficients that are themselves rounded add to it.
    """

    terms: int = 1

    def forward(self, *inputs: Tensor) -> Tensor:
        """`A x + b`."""
        raise NotImplementedError

    def linear(self, *inputs: Tensor) -> Tensor:
        """`A x`, without `b`."""
        return self(*inputs)

    def absolute(self, *inputs: Tensor) -> Tensor:
        """`|A| x`, for inputs that are not negative."""
        return self.linear(*inputs)

    def offset(self) -> Tensor | None:
        """`b`, in a shape that broadcasts against one batch of outputs; None where it is zero."""
        return None


class Rearrange(Affine):
    """Any map with coefficients that are not negative and no offset: reshapes, slices, averages.

    Args:
        function: the map; also what it does to magnitudes, since `|A| = A`.
        terms: the longest sum, 0 where numbers are only moved.
    """

    def __init__(self, function: Callable[..., Tensor], terms: int = 0) -> None:
        super().__init__()
        self.function, self.terms = function, terms

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.function(*inputs)


class Linear(Affine):
    """`y = x W^T + b` over the last dimension."""

    weight: Tensor
    bias: Tensor | None

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        super().__init__()
        self.register_buffer("weight", weight.detach().clone())
        self.register_buffer("bias", None if bias is None else bias.detach().clone())
        self.terms = weight.shape[1] + (bias is not None)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)

    def linear(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight)

    def absolute(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight.abs())

    def offset(self) -> Tensor | None:
        return self.bias


class Conv(Affine):
    """Convolution of one to three dimensions, or its transpose.

    `settings` are the keyword arguments of torch's functional form: stride, padding, dilation,
    groups (and output_padding for the transpose).
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(
        self, weight: Tensor, bias: Tensor | None, transposed: bool = False, **settings
    ) -> None:
        super().__init__()
        self.register_buffer("weight", weight.detach().clone())
        self.register_buffer("bias", None if bias is None else bias.detach().clone())
        self.settings, self.transposed = settings, transposed
        self.dimensions = weight.ndim - 2
        form = f"conv_transpose{self.dimensions}d" if transposed else f"conv{self.dimensions}d"
        self.function = getattr(F, form)
        self.terms = weight[0].numel() if not transposed else weight[:, 0].numel()
        self.terms += bias is not None

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x, self.weight, self.bias, **self.settings)

    def linear(self, x: Tensor) -> Tensor:
        return self.function(x, self.weight, None, **self.settings)

    def absolute(self, x: Tensor) -> Tensor:
        return self.function(x, self.weight.abs(), None, **self.settings)

    def offset(self) -> Tensor | None:
        if self.bias is None:
            return None
        return self.bias.reshape(-1, *[1] * self.dimensions)


class ScaleShift(Affine):
    """`y = scale * x + shift`, with constants that broadcast against one sample or a batch of one.

    Args:
        scale, shift: tensors, or None for 1 and 0.
        rounded: how many roundings the constants themselves went through.
    """

    scale: Tensor | None
    shift: Tensor | None

    def __init__(
        self,
        scale: Tensor | None = None,
        shift: Tensor | None = None,
        rounded: int = 0,
    ) -> None:
        super().__init__()
        self.register_buffer("scale", None if scale is None else scale.detach().clone())
        self.register_buffer("shift", None if shift is None else shift.detach().clone())
        self.terms = (scale is not None) + (shift is not None) + rounded

    def forward(self, x: Tensor) -> Tensor:
        y = x if self.scale is None else x * self.scale
        return y if self.shift is None else y + self.shift

    def linear(self, x: Tensor) -> Tensor:
        return self._sized(x if self.scale is None else x * self.scale)

    def _sized(self, y: Tensor) -> Tensor:
        """In the output's shape, which the shift may widen."""
        if self.shift is None:
            return y
        # Not torch.broadcast_shapes, whose first call imports a compiler: seconds.
        return y.expand(np.broadcast_shapes(y.shape, self.shift.shape))

    def absolute(self, x: Tensor) -> Tensor:
        return self.linear(x) if self.scale is None else self._sized(x * self.scale.abs())

    def offset(self) -> Tensor | None:
        return self.shift


class Sum(Affine):
    """`y = s_1 x_1 + ... + s_n x_n` with signs `s`, the inputs broadcast against each other."""

    def __init__(self, *signs: int) -> None:
        super().__init__()
        self.signs, self.terms = signs, len(signs)

    def forward(self, *inputs: Tensor) -> Tensor:
        total = inputs[0] if self.signs[0] > 0 else -inputs[0]
        for sign, x in zip(self.signs[1:], inputs[1:], strict=True):
            total = total + x if sign > 0 else total - x
        return total

    def absolute(self, *inputs: Tensor) -> Tensor:
        return sum(inputs[1:], inputs[0])


class Join(Affine):
    """Concatenation along `axis` of inputs and zeros.

    Args:
        parts: an entry per part: None where the next input stands, else the shape of the zeros,
            with a batch of one.
        axis: dimension of the batch, not 0.
    """

    terms = 0

    def __init__(self, parts: "list[tuple[int, ...] | None]", axis: int) -> None:
        super().__init__()
        self.parts, self.axis = parts, axis

    def forward(self, *inputs: Tensor) -> Tensor:
        varying, batch = iter(inputs), inputs[0].shape[0]
        return torch.cat(
            [
                next(varying) if part is None else inputs[0].new_zeros(batch, *part[1:])
                for part in self.parts
            ],
            dim=self.axis,
        )


class Shifted(Affine):
    """`y = map(x) + offset`, for coefficients that are not negative (constant padding)."""

    shift: Tensor

    def __init__(
        self, function: Callable[[Tensor], Tensor], offset: Tensor, terms: int = 0
    ) -> None:
        super().__init__()
        self.function, self.terms = function, terms
        self.register_buffer("shift", offset.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x) + self.shift

    def linear(self, x: Tensor) -> Tensor:
        return self.function(x)

    def offset(self) -> Tensor | None:
        return self.shift


@dataclass(frozen=True)
class Univariate:
    """An elementwise function, as the facts that its relaxation is made from.

    Any straight line of slope `k` is a sound bound once its offset is the extreme of `f(x) - kx`
    over the interval, and that extreme is at an end or where `f' = k`. So a function is fully
    described by its value, its slope, and the places where its slope takes a given value.

    Args:
        function: the function, on tensors.
        slope: its derivative.
        stationary: `k -> tensor with one more last dimension`: places where the slope is `k`,
            NaN where there is none. A kink counts for every `k` between its one-sided slopes.
        curvature: `(lower, upper) -> tensor`: +1 where convex on the interval, -1 where concave,
            0 where neither is known.
        steepest: `(lower, upper) -> tensor`: at least the largest |slope| on the interval.
        ulps: how far `function` and `slope` may be from the truth, in units in the last place
            of a result of size 1 or of the result, whichever is larger.
        domain: open interval on which the function is defined.
        native: the operator of auto_LiRPA that has the same function with optimisable slopes.
        parameters: what else `native` needs.
    """

    name: str
    function: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor], Tensor]
    stationary: Callable[[Tensor], Tensor]
    curvature: Callable[[Tensor, Tensor], Tensor]
    steepest: Callable[[Tensor, Tensor], Tensor]
    ulps: int = 4
    domain: tuple[float, float] = (float("-inf"), float("inf"))
    native: str | None = None
    parameters: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class MaxPool:
    """Max pooling over windows that do not overlap and are not padded."""

    kernel: tuple[int, ...]

    def __call__(self, x: Tensor) -> Tensor:
        pool = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[len(self.kernel) - 1]
        return pool(x, self.kernel, self.kernel)

    def windows(self, x: Tensor) -> Tensor:
        """The numbers of every window as a last dimension: (..., *output shape, window)."""
        lead = x.shape[: x.ndim - len(self.kernel)]
        sizes = x.shape[x.ndim - len(self.kernel) :]
        split = [n for size, k in zip(sizes, self.kernel, strict=True) for n in (size // k, k)]
        x = x.reshape(*lead, *split)  # each dimension as (place, inside)
        places = range(len(lead), x.ndim, 2)
        inside = range(len(lead) + 1, x.ndim, 2)
        x = x.permute(*range(len(lead)), *places, *inside)
        return x.flatten(x.ndim - len(self.kernel))

    def joined(self, windows: Tensor) -> Tensor:
        """The inverse of `windows`."""
        count = len(self.kernel)
        lead = windows.ndim - 1 - count
        x = windows.reshape(*windows.shape[:-1], *self.kernel)
        pairs = [n for k in range(count) for n in (lead + k, lead + count + k)]
        x = x.permute(*range(lead), *pairs)
        shape = [x.shape[lead + 2 * k] * x.shape[lead + 2 * k + 1] for k in range(count)]
        return x.reshape(*x.shape[:lead], *shape)


@dataclass(frozen=True)
class Product:
    """`x * y`, both varying, broadcast against each other."""

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        return x * y


@dataclass(frozen=True)
class MatrixProduct:
    """`x @ y`, both varying, batched over all dimensions but the last two."""

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        return x @ y


Kind = Affine | Univariate | MaxPool | Product | MatrixProduct


@dataclass(frozen=True, eq=False)
class Primitive:
    """One step: `kind` applied to the values named `inputs`, giving the value `name`.

    `node` is the ONNX node that it comes from.
    """

    name: str
    kind: Kind
    inputs: tuple[str, ...]
    node: str


class Plan:
    """A network as primitives, in an order in which every input exists before it is used.

    Converters fill it: `plan.add(kind, *inputs)` appends a step for the node being lowered and
    returns the name of its value.
    """

    def __init__(self, input_name: str) -> None:
        self.input, self.output = input_name, input_name
        self.steps: list[Primitive] = []
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.node = ""
        self._alias: dict[str, str] = {}

    def add(self, kind: Kind, *inputs: str) -> str:
        """Append a step for the current node; returns the name of its value."""
        name = f"{self.node}#{len(self.steps)}"
        self.steps.append(
            Primitive(name, kind, tuple(self.resolve(value) for value in inputs), self.node)
        )
        return name

    def resolve(self, value: str) -> str:
        """The name under which the plan knows an ONNX value."""
        return self._alias.get(value, value)

    def alias(self, value: str, name: str) -> None:
        """Say that the ONNX value `value` is the plan's value `name`."""
        self._alias[value] = self.resolve(name)

    def relaxed_inputs(self) -> list[str]:
        """Values that a step which is not affine acts on: bounds need an interval of each."""
        names = [
            name for step in self.steps if not isinstance(step.kind, Affine) for name in step.inputs
        ]
        return list(dict.fromkeys(names))

    def to(self, dtype: torch.dtype, device: str) -> "Plan":
        """A copy whose affine maps are in `dtype` on `device`."""
        moved = Plan(self.input)
        moved.output, moved.shapes, moved._alias = self.output, self.shapes, self._alias
        for step in self.steps:
            kind = step.kind
            if isinstance(kind, Affine):
                kind = copy.deepcopy(kind).to(dtype=dtype, device=device)
            moved.steps.append(Primitive(step.name, kind, step.inputs, step.node))
        return moved

    def run(self, x: Tensor) -> dict[str, Tensor]:
        """Every value at `x`, a batch."""
        values = {self.input: x}
        for step in self.steps:
            function = step.kind.function if isinstance(step.kind, Univariate) else step.kind
            values[step.name] = function(*[values[name] for name in step.inputs])
        return values
