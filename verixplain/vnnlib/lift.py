"""A batch dimension for models that have none, so that bounds can be had of them.

Every value that varies with the input gets a new first dimension of one. An operator that is not
listed here keeps the model as it is. The result computes the same numbers, which is measured
against the original model when it is loaded.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper, shape_inference

ELEMENTWISE = {
    "Abs", "Add", "Cast", "Celu", "Clip", "Div", "Dropout", "Elu", "Equal", "Erf", "Exp", "Gelu",
    "Greater", "GreaterOrEqual", "HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "Less",
    "LessOrEqual", "Log", "Max", "Min", "Mish", "Mul", "Neg", "Pow", "PRelu", "Reciprocal", "Relu",
    "Selu", "Sigmoid", "Softplus", "Softsign", "Sqrt", "Sub", "Sum", "Swish", "Tanh",
    "ThresholdedRelu", "Where",
}  # fmt: skip
AXIS = {"Softmax": -1, "LogSoftmax": -1, "Concat": None, "Split": 0, "Gather": 0}
"""Operators with one attribute `axis`, and its default."""

AXES = {"ReduceMean", "ReduceSum", "Squeeze", "Unsqueeze"}


class _Impossible(Exception):  # noqa: N818 - caught right here; the model then stays as it is
    """This graph has something that is not lifted."""


def lifted(model: onnx.ModelProto) -> onnx.ModelProto | None:
    """The model with a batch in front of its one input; None where that is not known to be right.

    Args:
        model: shapes must be fixed; constants are initialisers or Constant nodes.
    """
    known = {tensor.name for tensor in model.graph.initializer}
    given = [value for value in model.graph.input if value.name not in known]
    if len(given) != 1 or len(model.graph.output) != 1 or model.functions:
        return None
    try:
        return _Lift(model, given[0]).run()
    except (_Impossible, onnx.shape_inference.InferenceError, ValueError, KeyError, IndexError):
        return None


class Unbatched:
    """ONNX Runtime on the model as it is, called as if it had a batch of one."""

    def __init__(self, model: onnx.ModelProto) -> None:
        from verixplain.network.parity import session

        self._session = session(model, model.graph.output[0].name)

    def get_inputs(self) -> Sequence[Any]:
        """Names and shapes of the inputs, as the session has them."""
        return self._session.get_inputs()

    def run(self, names: None, feeds: Mapping[str, np.ndarray]) -> Sequence[Any]:
        """The outputs for the one input of the batch."""
        single = {name: array[0] for name, array in feeds.items()}
        return [np.asarray(value)[None] for value in self._session.run(names, single)]


class _Lift:
    """One model on its way to a batch dimension."""

    def __init__(self, model: onnx.ModelProto, given: onnx.ValueInfoProto) -> None:
        self.model, self.given = model, given
        inferred = shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph
        self.shapes = {
            value.name: [d.dim_value for d in value.type.tensor_type.shape.dim]
            for value in (*inferred.value_info, *inferred.input, *inferred.output)
        }
        self.constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        self.opset = next(o.version for o in model.opset_import if o.domain in ("", "ai.onnx"))
        self.varying = {given.name}
        self.nodes: list[onnx.NodeProto] = []
        self.added: list[onnx.TensorProto] = []

    def run(self) -> onnx.ModelProto:
        if not all(self.shapes[self.given.name]):
            raise _Impossible
        for node in self.model.graph.node:
            if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
                self.constants[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
            if not self.varying.intersection(node.input):
                self.nodes.append(node)
            elif node.op_type in ("Shape", "Size"):
                self._constant(node)
            else:
                self._node(node)
                self.varying.update(node.output)
        graph = self.model.graph
        kind = self.given.type.tensor_type.elem_type
        output = graph.output[0]
        if output.name not in self.varying:
            raise _Impossible
        made = helper.make_graph(
            self.nodes,
            graph.name or "lifted",
            [helper.make_tensor_value_info(self.given.name, kind, self._shape(self.given.name))],
            [
                helper.make_tensor_value_info(
                    output.name, output.type.tensor_type.elem_type, self._shape(output.name)
                )
            ],
            [*graph.initializer, *self.added],
        )
        opsets = list(self.model.opset_import)
        return helper.make_model(made, opset_imports=opsets, ir_version=self.model.ir_version)

    def _shape(self, name: str) -> list[int]:
        return [1, *self.shapes[name]]

    def _rank(self, name: str) -> int:
        return len(self.constants[name].shape) if name in self.constants else len(self.shapes[name])

    def _node(self, node: onnx.NodeProto) -> None:
        """Append a node that varies, as it must be with a batch."""
        operator = node.op_type
        if operator in ELEMENTWISE:
            self._elementwise(node)
            return
        rules: Mapping[str, Callable[[onnx.NodeProto], None]] = {
            "Reshape": self._to_shape,
            "Flatten": self._to_shape,
            "Transpose": self._transpose,
            "MatMul": self._matmul,
            "Slice": self._slice,
            "Expand": self._expand,
        }
        if operator in AXIS:
            self._axis(node)
        elif operator in AXES:
            # what they do to a shape is known: reductions keep their axes, moves are reshapes
            self._reduce(node) if operator.startswith("Reduce") else self._to_shape(node)
        elif operator in rules:
            rules[operator](node)
        else:
            raise _Impossible

    def _tensor(self, array: np.ndarray) -> str:
        name = f"lifted_{len(self.added)}"
        self.added.append(numpy_helper.from_array(np.asarray(array), name))
        self.constants[name] = np.asarray(array)
        return name

    def _constant(self, node: onnx.NodeProto) -> None:
        """Shape and Size of a value, as they were without the batch."""
        shape = self.shapes[node.input[0]]
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        if not all(shape):
            raise _Impossible
        part = shape[attributes.get("start", 0) : attributes.get("end")]
        array = np.array(part if node.op_type == "Shape" else int(np.prod(shape)), dtype=np.int64)
        self.constants[node.output[0]] = array
        self.added.append(numpy_helper.from_array(array, node.output[0]))

    def _copy(self, node: onnx.NodeProto, inputs: list[str], **attributes: object) -> None:
        kept = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        kept = {name: value for name, value in {**kept, **attributes}.items() if value is not None}
        made = helper.make_node(node.op_type, inputs, list(node.output), node.name, **kept)
        self.nodes.append(made)

    def _elementwise(self, node: onnx.NodeProto) -> None:
        """Operands that vary get dimensions of one behind the batch, up to the result's rank."""
        rank = len(self.shapes[node.output[0]])
        inputs = []
        for name in node.input:
            if name in self.varying and len(self.shapes[name]) < rank:
                shape = self.shapes[name]
                wide = self._tensor(np.array([1] * (rank - len(shape) + 1) + shape))
                inputs.append(self._reshaped(name, wide))
            else:
                inputs.append(name)
        self._copy(node, inputs)

    def _reshaped(self, name: str, shape: str) -> str:
        result = f"lifted_value_{len(self.nodes)}"
        self.nodes.append(helper.make_node("Reshape", [name, shape], [result], f"lift_{result}"))
        return result

    def _to_shape(self, node: onnx.NodeProto) -> None:
        """What only gives another shape: that shape, with the batch in front."""
        if not all(self.shapes[node.output[0]]) or node.input[0] not in self.varying:
            raise _Impossible
        shape = self._tensor(np.array(self._shape(node.output[0]), dtype=np.int64))
        made = helper.make_node("Reshape", [node.input[0], shape], list(node.output), node.name)
        self.nodes.append(made)

    def _transpose(self, node: onnx.NodeProto) -> None:
        rank = len(self.shapes[node.input[0]])
        order = next((list(a.ints) for a in node.attribute), list(range(rank))[::-1])
        self._copy(node, list(node.input), perm=[0, *(place + 1 for place in order)])

    def _axis(self, node: onnx.NodeProto) -> None:
        """A place counted from the front is one further."""
        first = [name for name in node.input if name in self.varying]
        if node.op_type != "Concat" and first != [node.input[0]]:
            raise _Impossible
        if node.op_type in ("Softmax", "LogSoftmax") and self.opset < 13:
            raise _Impossible
        axis = next((a.i for a in node.attribute if a.name == "axis"), AXIS[node.op_type])
        if axis is None:
            raise _Impossible
        inputs = list(node.input)
        if node.op_type == "Concat":
            inputs = [
                name if name in self.varying else self._tensor(self.constants[name][None])
                for name in inputs
            ]
        self._copy(node, inputs, axis=axis + 1 if axis >= 0 else axis)

    def _matmul(self, node: onnx.NodeProto) -> None:
        left, right = node.input
        if left not in self.varying or right in self.varying or self._rank(right) > 2:
            raise _Impossible
        self._copy(node, [left, right])

    def _slice(self, node: onnx.NodeProto) -> None:
        if self.opset < 10:
            raise _Impossible
        data, starts, ends = node.input[:3]
        axes = node.input[3] if len(node.input) > 3 else ""
        places = self.constants[axes] if axes else np.arange(len(self.constants[starts]))
        moved = self._tensor(np.array([p + 1 if p >= 0 else p for p in places], dtype=np.int64))
        self._copy(node, [data, starts, ends, moved, *node.input[4:]])

    def _expand(self, node: onnx.NodeProto) -> None:
        rank, shape = len(self.shapes[node.output[0]]), self.shapes[node.input[0]]
        name = node.input[0]
        if len(shape) < rank:
            name = self._reshaped(
                name, self._tensor(np.array([1] * (rank - len(shape) + 1) + shape))
            )
        self._copy(node, [name, self._tensor(np.array(self._shape(node.output[0])))])

    def _reduce(self, node: onnx.NodeProto) -> None:
        rank = len(self.shapes[node.input[0]])
        kept = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        if kept.get("noop_with_empty_axes") and len(node.input) > 1 and node.input[1]:
            if not self.constants[node.input[1]].size:
                self._to_shape(node)
                return
        places = kept.get("axes")
        if len(node.input) > 1 and node.input[1]:
            places = self.constants[node.input[1]].tolist()
        if not places:
            if kept.get("noop_with_empty_axes"):
                raise _Impossible
            places = list(range(rank))
        moved = [place + 1 if place >= 0 else place for place in places]
        newer = self.opset >= (13 if node.op_type == "ReduceSum" else 18)
        if newer:
            self._copy(node, [node.input[0], self._tensor(np.array(moved, dtype=np.int64))])
        else:
            self._copy(node, [node.input[0]], axes=moved)
