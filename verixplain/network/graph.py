"""The normalised graph: ONNX nodes in order, constants folded, every shape known."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from verixplain.errors import TooLargeError, UnsupportedOperatorError


@dataclass(frozen=True, eq=False)
class Node:
    """One ONNX node. `inputs` holds value names, "" where an optional one is left out."""

    name: str
    operator: str
    opset: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Graph:
    """Nodes in an order in which every input exists before it is used.

    Args:
        nodes: what is left after folding; each has at least one input that varies.
        input: name of the network's input; `input_shape` is without the batch.
        output: name of the value that is explained.
        constants: every initialiser and folded value, as numpy arrays.
        shapes: of every value that varies, for a batch of one, the batch included.
    """

    nodes: tuple[Node, ...]
    input: str
    input_shape: tuple[int, ...]
    output: str
    constants: Mapping[str, np.ndarray]
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Site:
    """One node as its converter sees it: attributes, constants and shapes.

    Input numbers are those of the ONNX specification. Shapes are for a batch of one, with the
    batch as first dimension.
    """

    node: Node
    constants: Mapping[str, np.ndarray]
    shapes: Mapping[str, tuple[int, ...]]
    after_weights: bool = False

    @property
    def opset(self) -> int:
        return self.node.opset

    def attribute(self, name: str, default: Any = None) -> Any:
        """An attribute, or `default` where the node does not have it; floats are binary32."""
        if isinstance(default, float):
            default = float(np.float32(default))
        return self.node.attributes.get(name, default)

    def given(self, number: int) -> bool:
        """Whether optional input `number` is there at all."""
        return number < len(self.node.inputs) and self.node.inputs[number] != ""

    def is_constant(self, number: int) -> bool:
        """Whether input `number` is a constant of the graph."""
        return self.given(number) and self.node.inputs[number] in self.constants

    def constant(self, number: int, what: str = "") -> np.ndarray:
        """The constant that input `number` is; refused by name where it varies with the input."""
        if not self.is_constant(number):
            raise UnsupportedOperatorError(
                f"input {number}{f' ({what})' if what else ''} varies with the network's input; "
                "only a constant is supported here"
            )
        return self.constants[self.node.inputs[number]]

    def ints(self, name: str, number: int | None = None) -> tuple[int, ...] | None:
        """Integers that are attribute `name` in old opsets and input `number` in new ones."""
        if number is not None and self.given(number):
            return tuple(int(n) for n in np.atleast_1d(self.constant(number, name)))
        found = self.attribute(name)
        return None if found is None else tuple(int(n) for n in np.atleast_1d(found))

    def required_ints(self, name: str, number: int | None = None) -> tuple[int, ...]:
        """The same, refused where they are not given."""
        found = self.ints(name, number)
        if found is None:
            raise UnsupportedOperatorError(f"{name!r} is not given")
        return found

    @property
    def varying(self) -> tuple[int, ...]:
        """Numbers of the inputs that vary with the network's input."""
        return tuple(
            k for k in range(len(self.node.inputs)) if self.given(k) and not self.is_constant(k)
        )

    def shape(self, number: int) -> tuple[int, ...]:
        """Shape of input `number`, batch of one included where it varies."""
        name = self.node.inputs[number]
        if name in self.constants:
            return tuple(self.constants[name].shape)
        return tuple(self.shapes[name])

    @property
    def rank(self) -> int:
        """Number of dimensions of the first input, batch included."""
        return len(self.shape(0))

    def axis(self, default: int = 0, name: str = "axis") -> int:
        """A dimension of the first input, counted from the front."""
        return self.positive_axis(int(self.attribute(name, default)))

    def positive_axis(self, axis: int, rank: int | None = None) -> int:
        """`axis` counted from the front; refused where there is no such dimension."""
        rank = self.rank if rank is None else rank
        if not -rank <= axis < rank:
            raise UnsupportedOperatorError(f"axis {axis} of a tensor with {rank} dimensions")
        return axis % rank

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the first output, for a batch of one (known only after `build` has run)."""
        return tuple(self.shapes[self.node.outputs[0]])


MOST_NUMBERS = 2**28
"""The largest tensor anything here will build: one GiB of float32."""


def limit(shape: tuple[int, ...] | list[int], what: str = "a tensor") -> None:
    """Refuse a tensor too large to build, before it is built."""
    size = 1
    for n in shape:
        size *= int(n)
    if size > MOST_NUMBERS:
        raise TooLargeError(
            f"{what} of shape {tuple(int(n) for n in shape)} has {size:,} numbers; "
            f"at most {MOST_NUMBERS:,} are supported"
        )


def require(holds: bool, message: str) -> None:
    """Refuse a node whose attributes say something this package does not do."""
    if not holds:
        raise UnsupportedOperatorError(message)
