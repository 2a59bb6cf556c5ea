"""A small network's outputs at a point in exact rational arithmetic.

Where a constraint holds with equality (a ReLU that is 0, say) no interval with rounding can tell,
but exact numbers can. Only for networks of plain operators and few numbers.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from verixplain.network import Network

MOST = 200_000
"""Numbers of all constants together, up to which this is worth the time."""


def _sums(function: Callable[..., Any]) -> Callable[..., Any]:
    """An operator of any number of operands, from one of two."""

    def run(*operands: Any) -> Any:
        total = operands[0]
        for one in operands[1:]:
            total = function(total, one)
        return total

    return run


OPERATORS: dict[str, Callable[..., Any]] = {
    "Abs": np.abs,
    "Add": np.add,
    "Identity": lambda x: x,
    "MatMul": np.matmul,
    "Max": _sums(np.maximum),
    "Min": _sums(np.minimum),
    "Mul": np.multiply,
    "Neg": np.negative,
    "Relu": lambda x: np.maximum(x, np.array(Fraction(0), dtype=object)),
    "Sub": np.subtract,
    "Sum": _sums(np.add),
}
"""Operators without attributes, on arrays of exact numbers."""


def exactly(network: "Network", point: tuple[Fraction, ...]) -> list[Fraction] | None:
    """The outputs at an exact input; None where the network is too large or not plain enough."""
    graph = network.graph
    if sum(array.size for array in graph.constants.values()) > MOST:
        return None
    values: dict[str, np.ndarray] = {}
    first = np.empty(len(point), dtype=object)
    first[:] = point
    values[graph.input] = first.reshape(1, *network.input_shape)

    def value(name: str) -> np.ndarray:
        if name not in values:
            array = graph.constants[name]
            found = np.empty(array.size, dtype=object)
            found[:] = [Fraction(float(one)) for one in array.ravel()]
            values[name] = found.reshape(array.shape)
        return values[name]

    for node in graph.nodes:
        inputs = [name for name in node.inputs if name]
        if node.operator in ("Reshape", "Flatten", "Squeeze", "Unsqueeze"):
            result = value(inputs[0]).reshape(graph.shapes[node.outputs[0]])
        elif node.operator == "Gemm":
            result = _gemm(node.attributes, *map(value, inputs))
        elif node.operator in OPERATORS:
            result = OPERATORS[node.operator](*map(value, inputs))
        else:
            return None
        values[node.outputs[0]] = result
    return [Fraction(one) for one in values[graph.output].ravel()]


def _gemm(attributes: Any, a: np.ndarray, b: np.ndarray, c: Any = None) -> np.ndarray:
    """`alpha A' B' + beta C`."""
    left = a.T if attributes.get("transA", 0) else a
    right = b.T if attributes.get("transB", 0) else b
    result = np.matmul(left, right) * Fraction(float(attributes.get("alpha", 1.0)))
    return result if c is None else result + c * Fraction(float(attributes.get("beta", 1.0)))
