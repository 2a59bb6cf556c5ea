"""The ONNX file: a protobuf reader of the few messages a feed-forward network needs.

A singular field that occurs twice is refused (protobuf would merge it), so is data outside
the file, a sparse or repeated initialiser, a function, an unknown element type.
"""

import struct
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from .reasons import MOST_NODES, MOST_NUMBERS, Reason, need
from .rounding import Array

Attribute = float | int | bytes | Array | list[int]

_TYPES = {1: "<f4", 7: "<i8"}


@dataclass(frozen=True)
class Node:
    """One ONNX node as the file has it."""

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Attribute]


@dataclass(frozen=True)
class Model:
    """One ONNX graph as the file has it: nothing interpreted yet."""

    opset: int
    nodes: list[Node]
    constants: dict[str, Array]
    input_name: str
    input_shape: tuple[int, ...]
    output_name: str


@dataclass
class _Message:
    """The fields of one protobuf message, by number."""

    data: memoryview
    fields: dict[int, list] = field(default_factory=dict)

    def __post_init__(self) -> None:
        at = 0
        while at < len(self.data):
            key, at = _varint(self.data, at)
            number, kind = key >> 3, key & 7
            if kind == 0:
                value, at = _varint(self.data, at)
            elif kind in (1, 2, 5):
                size = {1: 8, 5: 4}.get(kind)
                if size is None:
                    size, at = _varint(self.data, at)
                need(at + size <= len(self.data), Reason.ONNX, "a field is cut short")
                value, at = self.data[at : at + size], at + size
            else:
                need(False, Reason.ONNX, f"wire type {kind}")
            self.fields.setdefault(number, []).append(value)

    def one(self, number: int, otherwise: Any = None) -> Any:
        found = self.fields.get(number, [])
        need(len(found) <= 1, Reason.ONNX, f"field {number} occurs twice")
        return found[0] if found else otherwise

    def text(self, number: int) -> str:
        return bytes(self.one(number, b"")).decode("utf-8")

    def texts(self, number: int) -> tuple[str, ...]:
        return tuple(bytes(value).decode("utf-8") for value in self.fields.get(number, []))

    def message(self, number: int) -> "_Message":
        found = self.one(number)
        need(isinstance(found, memoryview), Reason.ONNX, f"field {number} is missing")
        return _Message(found)

    def messages(self, number: int) -> "list[_Message]":
        return [_Message(value) for value in self.fields.get(number, [])]

    def integer(self, number: int, otherwise: int = 0) -> int:
        return _signed(self.one(number, otherwise))

    def integers(self, number: int) -> list[int]:
        found = []
        for value in self.fields.get(number, []):
            if isinstance(value, int):
                found.append(_signed(value))
                continue
            at = 0
            while at < len(value):
                one, at = _varint(value, at)
                found.append(_signed(one))
        return found

    def floats(self, number: int) -> Array:
        joined = b"".join(bytes(value) for value in self.fields.get(number, []))
        return np.frombuffer(joined, "<f4")


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        need(at < len(data) and shift < 70, Reason.ONNX, "a number is cut short")
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value & (2**64 - 1), at


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value


def _tensor(message: _Message) -> Array:
    need(
        message.integer(14) == 0 and 13 not in message.fields,
        Reason.EXTERNAL_DATA,
        f"tensor {message.text(8)!r} has its data outside the file",
    )
    shape, kind = message.integers(1), message.integer(2)
    need(kind in _TYPES, Reason.ONNX, f"tensor {message.text(8)!r} is of element type {kind}")
    need(
        all(n >= 0 for n in shape) and prod(shape) <= MOST_NUMBERS, Reason.TOO_LARGE, "tensor shape"
    )
    raw = message.one(9)
    if raw is None:
        flat = message.floats(4) if kind == 1 else np.array(message.integers(7), np.int64)
    else:
        need(4 not in message.fields and 7 not in message.fields, Reason.ONNX, "two kinds of data")
        flat = np.frombuffer(raw, _TYPES[kind])
    need(flat.size == prod(shape), Reason.ONNX, f"tensor {message.text(8)!r} has another size")
    return flat.reshape(shape)


def _attribute(message: _Message) -> tuple[str, Attribute]:
    name, kind = message.text(1), message.integer(20)
    need(21 not in message.fields, Reason.ONNX, "an attribute refers to a function's")
    if kind == 1:
        return name, struct.unpack("<f", message.one(2, b"\0\0\0\0"))[0]
    if kind == 2:
        return name, message.integer(3)
    if kind == 3:
        return name, bytes(message.one(4, b""))
    if kind == 4:
        return name, _tensor(message.message(5))
    need(kind == 7, Reason.OPERATOR, f"attribute {name!r} is of type {kind}")
    return name, message.integers(8)


def _node(message: _Message) -> Node:
    operator = message.text(4)
    domain = message.text(7)
    need(domain in ("", "ai.onnx"), Reason.OPERATOR, f"{operator} of domain {domain!r}")
    pairs = [_attribute(one) for one in message.messages(5)]
    need(len(dict(pairs)) == len(pairs), Reason.ONNX, f"{operator}: an attribute occurs twice")
    return Node(operator, message.texts(1), message.texts(2), dict(pairs))


def _input_shape(message: _Message) -> tuple[int, ...]:
    """Declared shape with the batch set to 1; everything else must be fixed."""
    kind = message.message(2).message(1)
    need(kind.integer(1) == 1, Reason.GRAPH, "the input does not hold float32")
    dims = kind.message(2).messages(1)
    need(dims, Reason.GRAPH, "the input declares no shape")
    sizes = [dim.integer(1) if 2 not in dim.fields else 0 for dim in dims]
    need(sizes[0] <= 1, Reason.GRAPH, "the first dimension of the input is not a batch of one")
    need(all(n > 0 for n in sizes[1:]), Reason.GRAPH, "the input has an open dimension")
    need(prod(sizes[1:]) <= MOST_NUMBERS, Reason.TOO_LARGE, "input shape")
    return (1, *sizes[1:])


def read_model(data: bytes) -> Model:
    """Parse an ONNX file.

    Raises:
        Refusal: the file is damaged, ambiguous, or holds more than one plain graph.
    """
    model = _Message(memoryview(data))
    need(
        not {20, 25} & set(model.fields), Reason.ONNX, "functions or training data are in the model"
    )
    opsets = [m.integer(2) for m in model.messages(8) if m.text(1) in ("", "ai.onnx")]
    need(len(opsets) == 1 and 7 <= opsets[0] <= 24, Reason.OPERATOR, f"opset {opsets}, not 7 to 24")
    graph = model.message(7)
    need(15 not in graph.fields, Reason.ONNX, "sparse initialisers")
    need(len(graph.fields.get(1, [])) <= MOST_NODES, Reason.TOO_LARGE, "number of nodes")
    tensors = graph.messages(5)
    constants = {one.text(8): _tensor(one) for one in tensors}
    need(len(constants) == len(tensors), Reason.ONNX, "two initialisers have one name")
    inputs = [one for one in graph.messages(11) if one.text(1) not in constants]
    outputs = graph.messages(12)
    need(len(inputs) == 1, Reason.GRAPH, f"{len(inputs)} inputs; one is supported")
    need(len(outputs) == 1, Reason.GRAPH, f"{len(outputs)} outputs; one is supported")
    return Model(
        opsets[0],
        [_node(one) for one in graph.messages(1)],
        constants,
        inputs[0].text(1),
        _input_shape(inputs[0]),
        outputs[0].text(1),
    )
