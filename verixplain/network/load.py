"""ONNX bytes -> one normalised graph. Every file is taken as hostile."""

import hashlib
import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnx.inliner
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
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
)
from verixplain.network.graph import MOST_NUMBERS, Graph, Node, limit

OLDEST_OPSET = 7
MOST_BYTES = 2**31
"""The largest model file read: protobuf itself goes no further."""
MOST_NODES = 100_000
"""After local functions are expanded."""

_NUMBERS = {
    TensorProto.DataType.Value(name)
    for name in """FLOAT DOUBLE FLOAT16 BOOL INT8 INT16 INT32 INT64 UINT8 UINT16 UINT32
    UINT64""".split()
}
"""Types of constants: what both numpy and torch have."""

_FLOATS: dict[int, type] = {TensorProto.FLOAT: np.float32, TensorProto.DOUBLE: np.float64}


def read(source: "str | Path | bytes | onnx.ModelProto") -> tuple[onnx.ModelProto, bytes, str]:
    """The model with all its weights inside, the bytes of its file, and the SHA-256 of all read.

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
        data, folder = _bytes_of(Path(source)), Path(source).parent
    digest = hashlib.sha256(data)
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except Exception as error:  # protobuf's own classes differ between its versions
        raise ModelFormatError(f"not an ONNX file, or cut short ({error})") from error
    _check_text(model)
    if not model.graph.node or not model.graph.output or not model.opset_import:
        raise ModelFormatError(
            "not an ONNX file, or cut short: it has no nodes, no output or no opset"
        )
    if len(model.graph.node) > MOST_NODES:
        raise TooLargeError(f"{len(model.graph.node):,} nodes; at most {MOST_NODES:,}")
    if model.graph.sparse_initializer:
        raise UnsupportedOperatorError("sparse initialisers are not supported")
    declared = 0
    for tensor in _tensors(model):
        declared += _check_declared(tensor)
    if declared > 2 * MOST_NUMBERS:
        raise TooLargeError(f"its tensors have {declared:,} numbers, at most {2 * MOST_NUMBERS:,}")
    for tensor in _tensors(model):
        if tensor.data_location == TensorProto.EXTERNAL:
            digest.update(_inline(tensor, folder))
    return model, data, digest.hexdigest()


def _check_text(message: Message) -> None:
    """Refuse names that are not text: protobuf gives them as bytes where UTF-8 is damaged."""
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            for part in [value] if isinstance(value, Message) else value:
                _check_text(part)
        elif field.type == FieldDescriptor.TYPE_STRING:
            parts = [value] if isinstance(value, (str, bytes)) else value
            damaged = [part for part in parts if not isinstance(part, str)]
            if damaged:
                raise ModelFormatError(f"{field.name} {damaged[0]!r} is not text")


def _bytes_of(path: Path) -> bytes:
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise ModelFormatError(f"{str(path)!r} {what}; give the path of an .onnx model")
    if path.stat().st_size > MOST_BYTES:
        raise TooLargeError(f"{str(path)!r} has {path.stat().st_size:,} bytes; at most 2 GiB")
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelFormatError(f"cannot read {str(path)!r}: {error.strerror}") from error


def check_well_formed(model: onnx.ModelProto) -> None:
    """What ONNX's own checker says; it knows every operator's inputs and attributes."""
    try:
        onnx.checker.check_model(model, full_check=False)
    except Exception as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelFormatError(f"not a well-formed ONNX model: {first}") from error


def _tensors(model: onnx.ModelProto) -> list[TensorProto]:
    """Every tensor that may be used: initialisers and attributes, those of functions as well."""
    found = list(model.graph.initializer)
    for node in (*model.graph.node, *(node for f in model.functions for node in f.node)):
        for attribute in node.attribute:
            if attribute.HasField("t"):
                found.append(attribute.t)
            found.extend(attribute.tensors)
    return found


def _check_declared(tensor: TensorProto) -> int:
    """How many numbers a tensor declares; refused where negative or more than anything built."""
    if any(n < 0 for n in tensor.dims):
        raise ModelFormatError(f"tensor {tensor.name!r} declares shape {list(tensor.dims)}")
    limit(tuple(tensor.dims), f"tensor {tensor.name!r}")
    if tensor.data_type not in _NUMBERS and tensor.data_type != TensorProto.STRING:
        known = _type_name(tensor.data_type)
        raise UnsupportedOperatorError(f"tensor {tensor.name!r} holds {known}; not supported")
    return math.prod(tensor.dims)


def _type_name(number: int) -> str:
    known = number in TensorProto.DataType.values()
    return TensorProto.DataType.Name(number) if known else f"the unknown type {number}"


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
    try:
        target = (home / location).resolve()
        inside = target.is_relative_to(home) and not Path(location).is_absolute()
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, a zero byte
        raise ExternalDataError(f"tensor {tensor.name!r} points to {location!r}") from error
    if not location or not inside:
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
    if tensor.data_type not in _NUMBERS:
        raise ExternalDataError(f"tensor {tensor.name!r} holds {_type_name(tensor.data_type)}")
    itemsize = np.dtype(helper.tensor_dtype_to_np_dtype(tensor.data_type)).itemsize
    expected = math.prod(tensor.dims) * itemsize
    if offset < 0 or wanted != expected or offset + wanted > size:
        raise ExternalDataError(
            f"tensor {tensor.name!r} needs {expected} bytes; {location!r} has {size} and the "
            f"model asks for {wanted} from {offset}"
        )
    try:
        with target.open("rb") as file:
            file.seek(offset)
            data = file.read(wanted)
    except OSError as error:
        raise ExternalDataError(f"cannot read {location!r}: {error.strerror}") from error
    del tensor.external_data[:]
    tensor.data_location = TensorProto.DEFAULT
    tensor.raw_data = data
    return data


def opset_of(model: onnx.ModelProto) -> int:
    """The ONNX opset; refused where other domains are used or it is outside what we know."""
    if model.functions:
        _check_functions(model)
        try:
            model.CopyFrom(onnx.inliner.inline_local_functions(model))
        except Exception as error:
            raise ModelFormatError(f"cannot expand the model's functions: {error}") from error
    used = {node.domain for node in model.graph.node} - {"", "ai.onnx"}
    if used:
        node = next(n for n in model.graph.node if n.domain in used)
        raise UnsupportedOperatorError(
            f"node {node.name!r} ({node.op_type}) is of domain {node.domain!r}; "
            "only standard ONNX operators are supported"
        )
    versions = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    newest = onnx.defs.onnx_opset_version()
    if not versions:
        raise ModelFormatError("the model does not say its opset")
    if not OLDEST_OPSET <= versions[0] <= newest:
        raise UnsupportedOperatorError(
            f"opset {versions[0]}; supported are {OLDEST_OPSET} to {newest} "
            "(onnx.version_converter converts between opsets)"
        )
    return versions[0]


def _check_functions(model: onnx.ModelProto) -> None:
    """Refuse local functions that call themselves, or expand to more nodes than are supported."""
    bodies = {(f.domain, f.name, f.overload): f for f in model.functions}
    sizes: dict[tuple[str, str, str], int] = {}

    def total(nodes: Iterable[onnx.NodeProto]) -> int | None:
        """How many nodes these expand to; None where that is not known yet."""
        count = 0
        for node in nodes:
            key = (node.domain, node.op_type, node.overload)
            if key in bodies and key not in sizes:
                return None
            count += sizes.get(key, 1)
        return count

    left = list(bodies)
    while left:
        before = len(left)
        for key in left:
            size = total(bodies[key].node)
            if size is not None:
                sizes[key] = size
        left = [key for key in left if key not in sizes]
        if len(left) == before:
            raise GraphError(f"function {left[0][1]!r} calls itself, or one that calls it")
    nodes = total(model.graph.node) or 0
    if nodes > MOST_NODES:
        raise TooLargeError(f"its functions expand to {nodes:,} nodes; at most {MOST_NODES:,}")


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
        known = _type_name(kind.elem_type)
        raise ModelError(f"input {inputs[0].name!r} holds {known}; supported are FLOAT and DOUBLE")
    if not kind.HasField("shape") or not kind.shape.dim:
        raise DynamicShapeError(f"input {inputs[0].name!r} declares no shape; give it with --shape")
    shape: list[int | None] = [
        d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else None for d in kind.shape.dim
    ]
    if shape[0] not in (None, 1):
        raise DynamicShapeError(
            f"input {inputs[0].name!r} is {shape}: the first dimension must be the batch, "
            f"open or 1, but is {shape[0]}; export the model with a batch dimension"
        )
    rest = shape[1:]
    if fixed is not None:
        fits = len(fixed) == len(rest) and all(
            n > 0 and (known is None or known == n) for n, known in zip(fixed, rest, strict=False)
        )
        if not fits:
            raise DynamicShapeError(
                f"--shape {tuple(fixed)} does not fit the declared shape {rest} (without the batch)"
            )
        rest = list(fixed)
    known = [n for n in rest if n is not None]
    if len(known) < len(rest):
        raise DynamicShapeError(
            f"input {inputs[0].name!r} is {shape}: dimensions other than the batch are open; "
            "fix them with --shape (the shape without the batch)"
        )
    limit(known, f"input {inputs[0].name!r}")
    return inputs[0].name, tuple(int(n) for n in known), _FLOATS[kind.elem_type]


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
    for tensor in model.graph.initializer:
        if tensor.name in found:
            raise GraphError(f"two initialisers are called {tensor.name!r}")
        found[tensor.name] = array_of(tensor)
    return found


def array_of(tensor: TensorProto) -> np.ndarray:
    """A tensor as an array; refused where data is missing or not finite."""
    if tensor.data_location == TensorProto.EXTERNAL:
        raise ExternalDataError(f"tensor {tensor.name!r} lies outside the model")
    try:
        array = numpy_helper.to_array(tensor)
    except Exception as error:
        raise ModelFormatError(f"tensor {tensor.name!r} is damaged: {error}") from error
    if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
        where = tuple(np.argwhere(~np.isfinite(array))[0].tolist())
        raise NotFiniteError(f"tensor {tensor.name!r} is NaN or infinite, first at {where}")
    return array


def nodes_of(model: onnx.ModelProto, opset: int, known: set[str], output: str) -> tuple[Node, ...]:
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
        node = Node(name, raw.op_type, opset, tuple(raw.input), tuple(raw.output), _attributes(raw))
        for value in filter(None, node.outputs):
            if value in producer or value in known:
                raise GraphError(f"value {value!r} is produced twice, the second time by {name!r}")
            producer[value] = node
    wanted, queue, users = {}, deque([output]), {}
    while queue:
        value = queue.popleft()
        if value in known:
            continue
        if value not in producer:
            user = users.get(value)
            raise GraphError(
                f"nobody produces {value!r}"
                + (f", which node {user!r} needs" if user else ", the output")
                + ": a missing node or initialiser"
            )
        node = producer[value]
        if node.name not in wanted:
            wanted[node.name] = node
            for need in filter(None, node.inputs):
                users.setdefault(need, node.name)
                queue.append(need)
    return _sorted(wanted, known)


def _sorted(wanted: Mapping[str, Node], known: set[str]) -> tuple[Node, ...]:
    """Kahn's order; what is left over is a cycle."""
    waits: dict[str, int] = {}
    users: dict[str, list[Node]] = {}
    for node in wanted.values():
        needs = {value for value in node.inputs if value and value not in known}
        waits[node.name] = len(needs)
        for value in needs:
            users.setdefault(value, []).append(node)
    ready = deque(node for node in wanted.values() if waits[node.name] == 0)
    order = []
    while ready:
        order.append(ready.popleft())
        for value in filter(None, order[-1].outputs):
            for user in users.get(value, ()):
                waits[user.name] -= 1
                if waits[user.name] == 0:
                    ready.append(user)
    if len(order) < len(wanted):
        stuck = {v: n for n in wanted.values() if waits[n.name] for v in n.outputs if v}
        node, seen = next(iter(stuck.values())), set()
        while node.name not in seen:  # a stuck node waits for a stuck node: back into the cycle
            seen.add(node.name)
            node = next(stuck[value] for value in node.inputs if value in stuck)
        raise GraphError(f"the graph has a cycle through node {node.name!r}")
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
        where = f"node {raw.name!r} ({raw.op_type}): attribute {attribute.name!r}"
        if attribute.type in (
            onnx.AttributeProto.SPARSE_TENSOR,
            onnx.AttributeProto.SPARSE_TENSORS,
        ):
            raise UnsupportedOperatorError(f"{where} is sparse; that is not supported")
        try:
            value = helper.get_attribute_value(attribute)
        except Exception as error:
            raise ModelFormatError(f"{where} is damaged: {error}") from error
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        elif isinstance(value, TensorProto):
            value = array_of(value)
        elif isinstance(value, (float, Sequence)) and not isinstance(value, str):
            numbers = [n for n in np.atleast_1d(value) if isinstance(n, float)]
            if np.isnan(numbers).any():
                raise NotFiniteError(f"{where} is NaN")
        found[attribute.name] = value
    return found


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
    if wanted == name or wanted in constants:
        what = "the input itself" if wanted == name else "a constant"
        raise GraphError(f"output {wanted!r} is {what}: there is nothing to explain")
    nodes = nodes_of(model, opset, {name, *constants}, wanted)
    check_well_formed(model)
    _keep(model, nodes)
    return Graph(nodes, name, input_shape, wanted, constants), dtype


def _keep(model: onnx.ModelProto, nodes: Iterable[Node]) -> None:
    """Drop the nodes that are not needed, so that ONNX Runtime never runs what was not checked."""
    outputs = {value for node in nodes for value in node.outputs if value}
    kept = [raw for raw in model.graph.node if outputs.intersection(raw.output)]
    if len(kept) < len(model.graph.node):
        del model.graph.node[:]
        model.graph.node.extend(kept)
