"""ONNX bytes -> one normalised graph. Every file is taken as hostile."""

import hashlib
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from verixplain.errors import (
    DynamicShapeError,
    ExternalDataError,
    GraphError,
    ModelError,
    ModelFormatError,
    NotFiniteError,
    TooLargeError,
    UnsupportedOperatorError,
    VerixplainError,
    at_node,
)
from verixplain.network.graph import MOST_NUMBERS, Graph, Node, limit

OLDEST_OPSET = 7
MOST_BYTES = 2**31
"""The largest model file read: protobuf itself goes no further."""

_FLOATS = {TensorProto.FLOAT: np.float32, TensorProto.DOUBLE: np.float64}


def read(source: "str | Path | bytes | onnx.ModelProto") -> tuple[onnx.ModelProto, str]:
    """The model with all its weights inside, and the SHA-256 of what was read.

    Raises:
        ModelFormatError: no such file, not ONNX, or cut short.
        ExternalDataError: weights lie outside the model's folder, or are missing.
        TooLargeError: the file, or a tensor it declares.
    """
    folder = None
    if isinstance(source, onnx.ModelProto):
        data = source.SerializeToString()
    elif isinstance(source, bytes):
        data = source
    else:
        path = Path(source)
        if not path.is_file():
            raise ModelFormatError(f"no file {str(path)!r}; give the path of an .onnx model")
        if path.stat().st_size > MOST_BYTES:
            raise TooLargeError(f"{str(path)!r} has {path.stat().st_size:,} bytes; at most 2 GiB")
        data, folder = path.read_bytes(), path.parent
    digest = hashlib.sha256(data)
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except Exception as error:  # protobuf's own classes differ between its versions
        raise ModelFormatError(f"not an ONNX file, or cut short ({error})") from error
    if not model.graph.node or not model.graph.output:
        raise ModelFormatError("not an ONNX file, or cut short: it has no nodes or no output")
    for tensor in _tensors(model):
        _check_declared(tensor)
        if tensor.data_location == TensorProto.EXTERNAL:
            digest.update(_inline(tensor, folder))
    try:
        onnx.checker.check_model(model, full_check=False)
    except Exception as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelFormatError(f"not a well-formed ONNX model: {first}") from error
    return model, digest.hexdigest()


def _tensors(model: onnx.ModelProto) -> list[TensorProto]:
    """Every tensor in the model: initialisers and attributes."""
    found = list(model.graph.initializer)
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                found.append(attribute.t)
            found.extend(attribute.tensors)
    return found


def _check_declared(tensor: TensorProto) -> None:
    """Refuse a declared shape that is negative or larger than anything built here."""
    if any(n < 0 for n in tensor.dims):
        raise ModelFormatError(f"tensor {tensor.name!r} declares shape {list(tensor.dims)}")
    limit(tuple(tensor.dims), f"tensor {tensor.name!r}")


def _inline(tensor: TensorProto, folder: Path | None) -> bytes:
    """Read a tensor's external data into it; only from inside the model's own folder."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    if folder is None:
        raise ExternalDataError(
            f"tensor {tensor.name!r} lies in {location!r}, but the model came as bytes; "
            "load it by its path"
        )
    home = folder.resolve()
    target = (home / location).resolve()
    if not location or not target.is_relative_to(home):
        raise ExternalDataError(
            f"tensor {tensor.name!r} points to {location!r}, outside the model's folder; "
            "nothing there is read"
        )
    if not target.is_file():
        raise ExternalDataError(f"tensor {tensor.name!r}: there is no file {location!r}")
    try:
        offset, size = int(entries.get("offset", 0)), target.stat().st_size
        wanted = int(entries.get("length", size - offset))
    except ValueError as error:
        raise ExternalDataError(f"tensor {tensor.name!r}: bad offset or length") from error
    itemsize = np.dtype(helper.tensor_dtype_to_np_dtype(tensor.data_type)).itemsize
    expected = int(np.prod(tensor.dims, dtype=np.int64)) * itemsize
    if offset < 0 or wanted != expected or offset + wanted > size:
        raise ExternalDataError(
            f"tensor {tensor.name!r} needs {expected} bytes; {location!r} has {size} and the "
            f"model asks for {wanted} from {offset}"
        )
    with target.open("rb") as file:
        file.seek(offset)
        data = file.read(wanted)
    del tensor.external_data[:]
    tensor.data_location = TensorProto.DEFAULT
    tensor.raw_data = data
    return data


def opset_of(model: onnx.ModelProto) -> int:
    """The ONNX opset; refused where other domains are used or it is outside what we know."""
    if model.functions:
        model.CopyFrom(onnx.inliner.inline_local_functions(model))
    used = {node.domain for node in model.graph.node} - {"", "ai.onnx"}
    if used:
        node = next(n for n in model.graph.node if n.domain in used)
        raise UnsupportedOperatorError(
            f"node {node.name!r} ({node.op_type}) is of domain {node.domain!r}; "
            "only standard ONNX operators are supported"
        )
    versions = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    newest = onnx.defs.onnx_opset_version()
    if not versions or not OLDEST_OPSET <= versions[0] <= newest:
        raise UnsupportedOperatorError(
            f"opset {versions[0] if versions else 'none'}; supported are {OLDEST_OPSET} to {newest} "
            "(onnx.version_converter converts between opsets)"
        )
    return versions[0]


def input_of(
    model: onnx.ModelProto, fixed: Sequence[int] | None
) -> tuple[str, tuple[int, ...], type]:
    """Name, shape without the batch, and dtype of the one input.

    Args:
        model: the model.
        fixed: the full shape without the batch where the model leaves dimensions open.
    """
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    if len(inputs) != 1:
        names = ", ".join(repr(value.name) for value in inputs) or "none"
        raise GraphError(f"the model has {len(inputs)} inputs ({names}); exactly one is supported")
    kind = inputs[0].type.tensor_type
    if kind.elem_type not in _FLOATS:
        known = TensorProto.DataType.Name(kind.elem_type)
        raise ModelError(
            f"input {inputs[0].name!r} holds {known}; supported are FLOAT and DOUBLE"
        )
    if not kind.HasField("shape") or not kind.shape.dim:
        raise DynamicShapeError(f"input {inputs[0].name!r} declares no shape; give it with --shape")
    shape: list[int | None] = [
        d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else None
        for d in kind.shape.dim
    ]
    if shape[0] not in (None, 1):
        raise DynamicShapeError(
            f"input {inputs[0].name!r} is {shape}: the first dimension must be the batch, "
            f"open or 1, but is {shape[0]}; export the model with a batch dimension"
        )
    rest = shape[1:]
    if fixed is not None:
        fits = len(fixed) == len(rest) and all(
            n > 0 and (known is None or known == n)
            for n, known in zip(fixed, rest, strict=False)
        )
        if not fits:
            raise DynamicShapeError(
                f"--shape {tuple(fixed)} does not fit the declared shape {rest} (without the batch)"
            )
        rest = list(fixed)
    if any(n is None for n in rest):
        raise DynamicShapeError(
            f"input {inputs[0].name!r} is {shape}: dimensions other than the batch are open; "
            "fix them with --shape (the shape without the batch)"
        )
    limit(rest, f"input {inputs[0].name!r}")
    return inputs[0].name, tuple(int(n) for n in rest), _FLOATS[kind.elem_type]


def output_of(model: onnx.ModelProto, wanted: str | None) -> str:
    """Name of the output that is explained."""
    outputs = [value.name for value in model.graph.output]
    listed = ", ".join(repr(name) for name in outputs)
    if wanted is not None:
        if wanted not in outputs:
            raise GraphError(f"no output {wanted!r}; there are: {listed}")
        return wanted
    if len(outputs) != 1:
        raise GraphError(f"the model has {len(outputs)} outputs ({listed}); name one with --output")
    return outputs[0]


def constants_of(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    """Every initialiser, checked to be finite."""
    found: dict[str, np.ndarray] = {}
    if model.graph.sparse_initializer:
        raise UnsupportedOperatorError("sparse initialisers are not supported")
    for tensor in model.graph.initializer:
        if tensor.name in found:
            raise GraphError(f"two initialisers are called {tensor.name!r}")
        found[tensor.name] = array_of(tensor)
    return found


def array_of(tensor: TensorProto) -> np.ndarray:
    """A tensor as an array; refused where data is missing or not finite."""
    try:
        array = numpy_helper.to_array(tensor)
    except Exception as error:
        raise ModelFormatError(f"tensor {tensor.name!r} is damaged: {error}") from error
    if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
        where = tuple(np.argwhere(~np.isfinite(array))[0].tolist())
        raise NotFiniteError(f"tensor {tensor.name!r} is NaN or infinite, first at {where}")
    return array


def nodes_of(
    model: onnx.ModelProto, opset: int, known: set[str], output: str
) -> tuple[Node, ...]:
    """The nodes that `output` needs, each after what it needs itself.

    Raises:
        GraphError: a cycle, a value nobody produces, or one produced twice.
    """
    producer: dict[str, Node] = {}
    taken: set[str] = set()
    for number, raw in enumerate(model.graph.node):
        name = raw.name or f"{raw.op_type}_{number}"
        while name in taken:
            name = f"{name}_{number}"
        taken.add(name)
        node = Node(
            name, raw.op_type, opset, tuple(raw.input), tuple(raw.output), _attributes(raw)
        )
        for value in filter(None, node.outputs):
            if value in producer or value in known:
                raise GraphError(f"value {value!r} is produced twice, the second time by {name!r}")
            producer[value] = node
    wanted, queue, missing = {}, deque([output]), {}
    while queue:
        value = queue.popleft()
        if value in known:
            continue
        if value not in producer:
            user = missing.get(value)
            raise GraphError(
                f"nobody produces {value!r}"
                + (f", which node {user!r} needs" if user else ", the output")
                + ": a missing node or initialiser"
            )
        node = producer[value]
        if node.name not in wanted:
            wanted[node.name] = node
            for need in filter(None, node.inputs):
                missing.setdefault(need, node.name)
                queue.append(need)
    return _sorted(wanted, known)


def _sorted(wanted: Mapping[str, Node], known: set[str]) -> tuple[Node, ...]:
    """Kahn's order; what is left over is a cycle."""
    ready, order, left = set(known), [], dict(wanted)
    while left:
        now = [n for n in left.values() if all(v in ready for v in n.inputs if v)]
        if not now:
            raise GraphError(f"the graph has a cycle through node {next(iter(left))!r}")
        for node in now:
            order.append(left.pop(node.name))
            ready.update(node.outputs)
    return tuple(order)


def _attributes(raw: onnx.NodeProto) -> dict:
    """Attributes as Python values; tensors as arrays; graphs refused."""
    found = {}
    for attribute in raw.attribute:
        if attribute.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS):
            raise UnsupportedOperatorError(
                f"node {raw.name!r} ({raw.op_type}) has a graph inside; "
                "control flow is not supported"
            )
        value = helper.get_attribute_value(attribute)
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        elif isinstance(value, TensorProto):
            value = array_of(value)
        found[attribute.name] = value
    return found


def fold(node: Node, constants: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Evaluate a node whose inputs are all constant, with ONNX's own reference implementation."""
    from onnx.reference import ReferenceEvaluator

    _check_growth(node, constants)
    feeds = {name: constants[name] for name in node.inputs if name}
    attributes = {
        key: numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value
        for key, value in node.attributes.items()
    }
    raw = helper.make_node(node.operator, node.inputs, node.outputs, name=node.name, **attributes)
    graph = helper.make_graph(
        [raw],
        "constant",
        [
            helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape
            )
            for name, value in feeds.items()
        ],
        [helper.make_value_info(name, onnx.TypeProto()) for name in node.outputs if name],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", node.opset)])
    try:
        results = ReferenceEvaluator(model).run(None, feeds)
    except VerixplainError:
        raise
    except Exception as error:
        raise UnsupportedOperatorError(f"cannot evaluate this constant: {error}") from error
    found = {}
    for name, value in zip(filter(None, node.outputs), results, strict=True):
        array = np.asarray(value)
        if array.size > MOST_NUMBERS:
            raise TooLargeError(f"constant {name!r} has {array.size:,} numbers")
        if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
            raise NotFiniteError(f"constant {name!r} is NaN or infinite")
        found[name] = array
    return found


def _check_growth(node: Node, constants: Mapping[str, np.ndarray]) -> None:
    """Refuse a constant whose few input bytes ask for a huge tensor, before building it."""
    arrays = [constants[name] if name else None for name in node.inputs]
    if node.operator == "ConstantOfShape":
        limit([max(int(n), 0) for n in np.atleast_1d(arrays[0])], "constant")
    elif node.operator == "Expand":
        sizes = np.broadcast_shapes(tuple(int(n) for n in arrays[1]), (1,))
        limit([*sizes, max(arrays[0].size, 1)], "constant")
    elif node.operator == "Tile" and len(arrays) == 2:
        limit([*(max(int(n), 0) for n in arrays[1]), max(arrays[0].size, 1)], "constant")
    elif node.operator == "Range":
        start, stop, step = (float(np.ravel(a)[0]) for a in arrays)
        limit([int(abs((stop - start) / step)) + 1 if step else 0], "constant")
    elif node.operator == "Pad":
        grown = arrays[1] if len(arrays) > 1 else np.array(node.attributes.get("pads", ()))
        limit([max(arrays[0].size, 1), int(np.prod(np.abs(grown) + 1.0))], "constant")


def normalise(
    model: onnx.ModelProto, output: str | None = None, shape: Sequence[int] | None = None
) -> tuple[Graph, type]:
    """The graph in order, with every node that does not vary with the input folded away.

    Shapes of what varies are filled in by `build`, which runs each node once.
    """
    opset = opset_of(model)
    name, input_shape, dtype = input_of(model, shape)
    constants = constants_of(model)
    wanted = output_of(model, output)
    nodes = nodes_of(model, opset, {name, *constants}, wanted)
    return Graph(nodes, name, input_shape, wanted, constants), dtype


def fold_constants(graph: Graph, node: Node, constants: dict[str, np.ndarray]) -> bool:
    """Add the outputs of `node` to `constants` if all its inputs are there; says whether it did."""
    if not all(value in constants for value in node.inputs if value):
        return False
    with at_node(node.name, node.operator, node.opset):
        constants.update(fold(node, constants))
    return True


