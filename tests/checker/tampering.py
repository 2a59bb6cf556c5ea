"""One certificate with every kind of claim, and the edits that vectors apply to it.

A vector is `{"comment", "edit": [[verb, ...], ...], "exit", "reason"}`; the verbs are the functions
below.
"""

import hashlib
import json
import struct

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from .making import Draft, draft, margins

WEIGHTS = (
    np.array([[1.0, -0.5, 0.25], [0.5, 1.0, -1.0], [-1.0, 0.5, 0.5], [0.25, 0.5, 1.0]]),
    np.array([0.125, -0.25, 0.0, 0.5]),
    np.array([[2.0, 0.5, 0.25, 2.0], [0.5, -1.0, 1.0, 0.25], [-0.5, 0.25, 0.5, -1.0]]),
    np.array([1.0, 0.25, -0.5]),
)
CENTER = np.array([0.5, 0.25, -0.5])
RADIUS = 0.125


def base_model() -> onnx.ModelProto:
    """Three inputs, four hidden ReLUs, three classes of which 0 wins."""
    value = helper.make_tensor_value_info
    names = ("w1", "b1", "w2", "b2")
    constants = [
        numpy_helper.from_array(w.astype(np.float32), name)
        for name, w in zip(names, WEIGHTS, strict=True)
    ]
    nodes = [
        helper.make_node("Gemm", ["x", "w1", "b1"], ["z"], transB=1),
        helper.make_node("Relu", ["z"], ["h"]),
        helper.make_node("Gemm", ["h", "w2", "b2"], ["a"], transB=1),
        helper.make_node("Relu", ["a"], ["k"]),
        helper.make_node("Gemm", ["k", "w3", "b3"], ["y"], transB=1),
    ]
    constants.append(numpy_helper.from_array(np.eye(3, dtype=np.float32), "w3"))
    constants.append(numpy_helper.from_array(np.zeros(3, np.float32), "b3"))
    graph = helper.make_graph(
        nodes,
        "base",
        [value("x", TensorProto.FLOAT, ["batch", 3])],
        [value("y", TensorProto.FLOAT, ["batch", 3])],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def base() -> Draft:
    """A certificate with every kind of claim that is accepted as it is."""
    made = draft(
        base_model().SerializeToString(),
        CENTER,
        RADIUS,
        margins(0, 3),
        groups=[[0], [1], [2]],
    )
    slopes = {
        "target": None,
        "layer": "k",
        "columns": made.put("slopes.columns", np.arange(3, dtype=np.int32)),
        "rows": made.put("slopes.rows", np.array([1], np.int32)),
        "upper": made.put("slopes.upper", np.full((1, 3), 128, np.uint8)),
        "lower": None,
    }
    hidden = {
        "target": "k",
        "layer": "h",
        "columns": made.put("hidden.columns", np.array([0, 3], np.int32)),
        "rows": None,
        "upper": made.put("hidden.upper", np.full((1, 2), 60, np.uint8)),
        "lower": made.put("hidden.lower", np.full((1, 2), 200, np.uint8)),
    }
    made.manifest["recipe"]["slopes"] = [slopes, hidden]
    codes = np.array([[0, 0, 0], [0, 1, 0], [0, 0, 1]], np.uint8)
    points = CENTER + RADIUS * (codes - 1.0)
    made.bound().groups([0, 1, 2])
    made.witnesses(codes, [-1, 1, 2], [largest_row(z) for z in points])
    made.witnesses(points[:1].astype(np.float32), [-1], [0], stem="second").settle()
    made.claim("prediction", label=0).claim("sufficient", label=0, group=0)
    made.claim("order", pairs=made.put("order.pairs", np.array([[0, 2], [2, 1]], np.int32)))
    return made.claim("top-k", group=made.put("top-k.group", np.array([0], np.int32)))


def largest_row(z: np.ndarray) -> int:
    w1, b1, w2, b2 = WEIGHTS
    scores = np.maximum(w2 @ np.maximum(w1 @ z + b1, 0.0) + b2, 0.0)
    return int((margins(0, 3) @ scores).argmax())


def _place(made: Draft, path: str):
    """The container and the key a path like `claims/0/kind` names."""
    *parts, last = path.split("/")
    at = made.manifest
    for part in parts:
        at = at[int(part)] if isinstance(at, list) else at[part]
    return at, int(last) if isinstance(at, list) else last


def set_(made: Draft, path: str, value) -> None:
    at, key = _place(made, path)
    at[key] = value


def delete(made: Draft, path: str) -> None:
    at, key = _place(made, path)
    del at[key]


def append(made: Draft, path: str, value) -> None:
    at, key = _place(made, path)
    at[key].append(value)


def repeat(made: Draft, path: str, count: int) -> None:
    at, key = _place(made, path)
    at[key] = at[key][:1] * count


def array(made: Draft, name: str, dtype: str, values) -> None:
    made.arrays[name] = np.array(values, dtype)


def empty(made: Draft, name: str, dtype: str, shape: list[int]) -> None:
    made.arrays[name] = np.zeros(shape, dtype)


def add(made: Draft, name: str, place: int, amount: float) -> None:
    """Change one number of an array."""
    changed = made.arrays[name].copy()
    changed.reshape(-1)[place] += amount
    made.arrays[name] = changed


def drop(made: Draft, name: str) -> None:
    del made.arrays[name]


def model(made: Draft, change: str) -> None:
    """Change the model by name; the certificate then names the changed one."""
    proto = onnx.load_from_string(made.model)
    data = MODEL_CHANGES[change](proto)
    made.model = proto.SerializeToString() if data is None else data
    made.manifest["model_sha256"] = hashlib.sha256(made.model).hexdigest()


def _operator(name: str, place: int = 1, **attributes):
    def change(proto: onnx.ModelProto) -> None:
        node = proto.graph.node[place]
        node.op_type = name
        node.attribute.extend(helper.make_attribute(k, v) for k, v in attributes.items())

    return change


def _external(proto: onnx.ModelProto) -> None:
    tensor = proto.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../weights.bin")


def _not_finite(proto: onnx.ModelProto) -> None:
    tensor = proto.graph.initializer[0]
    tensor.raw_data = np.full(12, np.nan, np.float32).tobytes()


def _short(proto: onnx.ModelProto) -> None:
    proto.graph.initializer[0].raw_data = b"\0" * 40


def _double(proto: onnx.ModelProto) -> None:
    old = proto.graph.initializer[0]
    new = numpy_helper.from_array(numpy_helper.to_array(old).astype(np.float64), old.name)
    old.CopyFrom(new)


def _huge(proto: onnx.ModelProto) -> None:
    tensor = proto.graph.initializer[0]
    tensor.raw_data = np.full(12, 3e30, np.float32).tobytes()


def _overflows(proto: onnx.ModelProto) -> None:
    for tensor in proto.graph.initializer[0:3:2]:
        tensor.raw_data = np.full(12, 2e22, np.float32).tobytes()


def _field_twice(proto: onnx.ModelProto) -> bytes:
    """The graph field again: protobuf would merge the two graphs."""
    other = onnx.ModelProto()
    other.graph.name = "again"
    return proto.SerializeToString() + other.SerializeToString()


def _only_identity(proto: onnx.ModelProto) -> None:
    del proto.graph.node[1:]
    proto.graph.node[0].CopyFrom(helper.make_node("Identity", ["x"], ["y"]))


def _constant_input(proto: onnx.ModelProto) -> None:
    proto.graph.node[2].input[0] = "w1"


def _shape(index: int, size: int):
    def change(proto: onnx.ModelProto) -> None:
        dim = proto.graph.input[0].type.tensor_type.shape.dim[index]
        if size:
            dim.dim_value = size
        else:
            dim.dim_param = "open"

    return change


MODEL_CHANGES = {
    "operator Foo": _operator("Foo"),
    "operator Softmax inside": _operator("Softmax"),
    "operator Relu with an attribute": _operator("Relu", alpha=0.1),
    "operator LeakyRelu steep": _operator("LeakyRelu", alpha=2.0),
    "operator LeakyRelu negative": _operator("LeakyRelu", alpha=-0.5),
    "operator Sigmoid where slopes are given": _operator("Sigmoid"),
    "Gemm alpha": _operator("Gemm", 0, alpha=2.0),
    "Gemm beta": _operator("Gemm", 0, beta=0.5),
    "Gemm transA": _operator("Gemm", 0, transA=1),
    "Gemm attribute twice": _operator("Gemm", 0, transB=0),
    "two initialisers": lambda p: p.graph.initializer.extend([p.graph.initializer[0]]),
    "sparse initialiser": lambda p: p.graph.sparse_initializer.add(dims=[1]) and None,
    "external data": _external,
    "not finite": _not_finite,
    "huge": _huge,
    "overflows float32": _overflows,
    "short data": _short,
    "double": _double,
    "domain": lambda p: setattr(p.graph.node[1], "domain", "com.example"),
    "opset 6": lambda p: setattr(p.opset_import[0], "version", 6),
    "opset 99": lambda p: setattr(p.opset_import[0], "version", 99),
    "no opset": lambda p: p.ClearField("opset_import"),
    "function": lambda p: p.functions.add(name="f") and None,
    "training": lambda p: p.training_info.add() and None,
    "two outputs": lambda p: p.graph.output.extend([p.graph.output[0]]),
    "two inputs": lambda p: p.graph.input.extend(
        [helper.make_tensor_value_info("other", TensorProto.FLOAT, [1])]
    ),
    "int input": lambda p: setattr(p.graph.input[0].type.tensor_type, "elem_type", 7),
    "batch of two": _shape(0, 2),
    "open dimension": _shape(1, 0),
    "wider input": _shape(1, 4),
    "input without shape": lambda p: p.graph.input[0].type.tensor_type.ClearField("shape"),
    "value twice": lambda p: p.graph.node[2].output.__setitem__(0, "h"),
    "cycle": lambda p: p.graph.node[0].input.__setitem__(0, "h"),
    "unknown output": lambda p: setattr(p.graph.output[0], "name", "nothing"),
    "constant into Gemm": _constant_input,
    "output is the input": lambda p: setattr(p.graph.output[0], "name", "x"),
    "out of order": lambda p: p.graph.node.insert(0, p.graph.node.pop()),
    "field twice": _field_twice,
    "nothing but Identity": _only_identity,
    "empty": lambda p: b"",
    "not protobuf": lambda p: b"\xff" * 64,
    "cut": lambda p: p.SerializeToString()[:-7],
    "wire type": lambda p: p.SerializeToString() + b"\x07",
}


BEFORE = {"set": set_, "delete": delete, "append": append, "array": array, "add": add}
BEFORE |= {"drop": drop, "model": model, "repeat": repeat, "empty": empty}


def header(data: bytes, name: str, key: str, value) -> bytes:
    """Change one entry of the JSON header, its text only."""
    return _header(data, lambda found: found[name].__setitem__(key, value))


def header_text(data: bytes, old: str, new: str) -> bytes:
    size = struct.unpack("<Q", data[:8])[0]
    text = data[8 : 8 + size].decode()
    assert old in text
    return _joined(text.replace(old, new, 1), data[8 + size :])


def _header(data: bytes, change) -> bytes:
    size = struct.unpack("<Q", data[:8])[0]
    found = json.loads(data[8 : 8 + size])
    change(found)
    return _joined(json.dumps(found), data[8 + size :])


def _joined(text: str, body: bytes) -> bytes:
    encoded = text.encode()
    return struct.pack("<Q", len(encoded)) + encoded + body


def header_is(data: bytes, text: str) -> bytes:
    size = struct.unpack("<Q", data[:8])[0]
    return _joined(text, data[8 + size :])


AFTER = {
    "header is": header_is,
    "header": header,
    "header text": header_text,
    "cut": lambda data, size: data[:size],
    "cut end": lambda data, size: data[:-size],
    "append bytes": lambda data, text: data + bytes.fromhex(text),
    "length": lambda data, size: struct.pack("<Q", size) + data[8:],
    "replace": lambda data, old, new: data.replace(bytes.fromhex(old), bytes.fromhex(new), 1),
}


def tampered(edits: list[list]) -> tuple[bytes, bytes]:
    """Model and certificate after the edits, in order."""
    made = base()
    for verb, *rest in edits:
        if verb in BEFORE:
            BEFORE[verb](made, *rest)
    data = made.bytes()
    for verb, *rest in edits:
        if verb in AFTER:
            data = AFTER[verb](data, *rest)
        assert verb in BEFORE or verb in AFTER, verb
    return made.model, data


def one_node(given: dict) -> bytes:
    """A model of one node: `operator`, `input` shape, `constants`, `attributes`, `opset`.

    A constant is a list of numbers, a shape as text like "2x3" (all ones), or "" for an input left
    out; integers stay integers.
    """
    value = helper.make_tensor_value_info
    tensors, names = [], []
    for place, constant in enumerate(given.get("constants", [])):
        names.append("" if constant == "" else f"c{place}")
        if isinstance(constant, str) and constant:
            shape = [int(n) for n in constant.split("x")]
            tensors.append(numpy_helper.from_array(np.ones(shape, np.float32), names[-1]))
        elif constant != "":
            array = np.array(constant)
            kind = np.int64 if array.dtype.kind == "i" else np.float32
            tensors.append(numpy_helper.from_array(array.astype(kind), names[-1]))
    inputs = given.get("inputs", ["x", *names])
    attributes = {k: tuple(v) if v == [] else v for k, v in given.get("attributes", {}).items()}
    node = helper.make_node(given["operator"], inputs, ["z"])
    for key, attribute in attributes.items():
        kind = onnx.AttributeProto.INTS if attribute == () else None
        node.attribute.append(helper.make_attribute(key, attribute, attr_type=kind))
    nodes = [node, helper.make_node("Relu", ["z"], ["y"])]
    graph = helper.make_graph(
        nodes,
        "one",
        [value("x", TensorProto.FLOAT, given["input"])],
        [value("y", TensorProto.FLOAT, None)],
        tensors,
    )
    opset = helper.make_opsetid("", given.get("opset", 17))
    return helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString()
