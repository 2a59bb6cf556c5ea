"""Evaluating what does not vary with the input, without letting a few bytes ask for gigabytes."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from verixplain.errors import (
    NotFiniteError,
    TooLargeError,
    UnsupportedOperatorError,
    VerixplainError,
    at_node,
)
from verixplain.network.graph import MOST_NUMBERS, Node, limit

MOST_WORK = 2**34
"""Multiplications in one constant matrix product: seconds, not hours."""


class Constants(dict[str, np.ndarray]):
    """Constants by name; `numbers` counts those that were evaluated here, which is limited too."""

    def __init__(self, found: dict[str, np.ndarray]) -> None:
        super().__init__(found)
        self.numbers = 0

    def add(self, found: dict[str, np.ndarray]) -> None:
        """Keep more constants."""
        self.update(found)
        self.numbers += sum(array.size for array in found.values())
        if self.numbers > MOST_NUMBERS:
            raise TooLargeError(
                f"constants up to here have {self.numbers:,} numbers together; "
                f"at most {MOST_NUMBERS:,} are supported"
            )


Arrays = list[np.ndarray | None]
"""The inputs of a node, None where an optional one is left out."""


def _required(arrays: Arrays, number: int) -> np.ndarray:
    array = arrays[number]
    if array is None:
        raise UnsupportedOperatorError(f"input {number} is not given")
    return array


def _sizes(shape: np.ndarray) -> list[int]:
    return [max(int(n), 0) for n in np.atleast_1d(shape)]


def _same(node: Node, arrays: Arrays) -> list[int]:
    """Results with no more numbers than all inputs together."""
    return [sum(array.size for array in arrays if array is not None)]


def _broadcast(node: Node, arrays: Arrays) -> list[int]:
    return list(np.broadcast_shapes(*[array.shape for array in arrays if array is not None]))


def _expand(node: Node, arrays: Arrays) -> list[int]:
    return list(
        np.broadcast_shapes(_required(arrays, 0).shape, tuple(_sizes(_required(arrays, 1))))
    )


def _range(node: Node, arrays: Arrays) -> list[int]:
    start, stop, step = (float(np.ravel(_required(arrays, k))[0]) for k in range(3))
    return [max(math.ceil((stop - start) / step), 0)]


def _pad(node: Node, arrays: Arrays) -> list[int]:
    pads = _required(arrays, 1) if len(arrays) > 1 else np.array(node.attributes["pads"])
    grown = int(np.abs(pads).max(initial=0)) * 2
    return [n + grown for n in _required(arrays, 0).shape]


def _gather(node: Node, arrays: Arrays) -> list[int]:
    axis = int(node.attributes.get("axis", 0))
    data, indices = _required(arrays, 0), _required(arrays, 1)
    return [indices.size, *(n for k, n in enumerate(data.shape) if k != axis % data.ndim)]


def _one_hot(node: Node, arrays: Arrays) -> list[int]:
    return [_required(arrays, 0).size, int(np.ravel(_required(arrays, 1))[0])]


def _product(node: Node, arrays: Arrays) -> list[int]:
    left, right = _required(arrays, 0), _required(arrays, 1)
    inner = max(min(left.shape[-1], left.shape[0]), 1)
    rows, columns = max(left.size // inner, 1), max(right.size // inner, 1)
    if rows * columns * inner > MOST_WORK:
        raise TooLargeError(
            f"a constant product of {left.shape} and {right.shape} is too much work"
        )
    return [rows, columns]


def _tile(node: Node, arrays: Arrays) -> list[int]:
    return [*_sizes(_required(arrays, 1)), max(_required(arrays, 0).size, 1)]


Growth = Callable[[Node, Arrays], list[int]]

_BROADCASTING = """Add And BitwiseAnd BitwiseOr DequantizeLinear Div Equal Greater GreaterOrEqual
    Less LessOrEqual Max Mean Min Mod Mul Or PRelu Pow QuantizeLinear Sub Sum Where Xor"""
_NOT_GROWING = """Abs ArgMax ArgMin Cast CastLike Ceil Clip Concat Constant Cos CumSum Dropout Elu
    Erf Exp Flatten Floor Gelu HardSigmoid HardSwish Identity LeakyRelu Log LogSoftmax Neg NonZero
    Not Reciprocal ReduceL1 ReduceL2 ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum
    ReduceSumSquare Relu Reshape Round ScatterElements ScatterND Selu Shape Sigmoid Sign Sin Size
    Slice Softmax Softplus Split Sqrt Squeeze Tanh TopK Transpose Trilu Unsqueeze"""

GROWTH: dict[str, Growth] = {
    "ConstantOfShape": lambda node, arrays: _sizes(_required(arrays, 0)),
    "Expand": _expand,
    "Gather": _gather,
    "Gemm": _product,
    "MatMul": _product,
    "OneHot": _one_hot,
    "Pad": _pad,
    "Range": _range,
    "Tile": _tile,
    **dict.fromkeys(_BROADCASTING.split(), _broadcast),
    **dict.fromkeys(_NOT_GROWING.split(), _same),
}
"""Per operator that is evaluated: a shape whose numbers are at least as many as its result's."""


def check_growth(node: Node, arrays: Arrays) -> None:
    """Refuse an operator that is not evaluated here, or a result too large to build."""
    if node.operator not in GROWTH:
        raise UnsupportedOperatorError(
            "none of its inputs varies with the network's input, and constants of this operator "
            "are not evaluated (onnxsim or an exporter's constant folding removes it)"
        )
    try:
        shape = GROWTH[node.operator](node, arrays)
    except VerixplainError:
        raise
    except Exception as error:
        raise UnsupportedOperatorError(f"cannot evaluate this constant: {error}") from error
    limit(shape, "constant")


def evaluate(node: Node, arrays: Arrays) -> list[np.ndarray]:
    """The outputs that the node names, by ONNX's own reference implementation."""
    from onnx.reference import ReferenceEvaluator

    named_arrays = zip(node.inputs, arrays, strict=True)
    feeds = {name: array for name, array in named_arrays if array is not None}
    attributes: dict[str, Any] = {
        key: numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value
        for key, value in node.attributes.items()
    }
    raw = helper.make_node(node.operator, node.inputs, node.outputs, name=node.name, **attributes)
    inputs = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
        for name, a in feeds.items()
    ]
    named = [helper.make_value_info(name, onnx.TypeProto()) for name in node.outputs if name]
    graph = helper.make_graph([raw], "constant", inputs, named)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", node.opset)])
    with np.errstate(all="ignore"):
        return [np.asarray(result) for result in ReferenceEvaluator(model).run(None, feeds)]


def fold(node: Node, constants: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The outputs of a node whose inputs are all constant, checked to be finite numbers."""
    arrays = [constants[name] if name else None for name in node.inputs]
    check_growth(node, arrays)
    try:
        results = evaluate(node, arrays)
        found = dict(zip(filter(None, node.outputs), results, strict=True))
    except Exception as error:
        raise UnsupportedOperatorError(f"cannot evaluate this constant: {error}") from error
    for name, array in found.items():
        if array.dtype.kind not in "fiub":
            raise UnsupportedOperatorError(f"constant {name!r} holds {array.dtype}, not numbers")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise NotFiniteError(f"constant {name!r} is NaN or infinite")
    return found


def fold_constants(node: Node, constants: Constants) -> bool:
    """Add the outputs of `node` to `constants` if all its inputs are there; says whether it did."""
    if not all(value in constants for value in node.inputs if value):
        return False
    with at_node(node.name, node.operator, node.opset):
        constants.add(fold(node, constants))
    return True
