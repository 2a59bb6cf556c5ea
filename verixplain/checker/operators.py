"""ONNX nodes -> pieces. What is not written here is refused by name, attributes included."""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from typing import TypeVar, cast

import numpy as np

from .linear import Convolution, Dense, Diagonal, Window
from .lines import RELU, SIGMOID, TANH, Kinked
from .pieces import Activation, Affine, MaxPool, Nonlinear, Pick, Piece, Sum
from .reasons import MOST_NUMBERS, Reason, Refusal, need
from .rounding import LARGEST, TINY32, UNIT, Array
from .rows import image_of
from .wire import Model, Node

Shape = tuple[int, ...]
Kind = TypeVar("Kind")
NONE: list[int] = []
SKIPPED_AT_THE_END = ("Softmax", "LogSoftmax", "Sigmoid")


@dataclass
class Network:
    """Pieces in topological order; value 0 is the input, value i the result of piece i - 1."""

    shapes: list[Shape]
    pieces: list[Piece] = field(default_factory=list)
    names: dict[str, int] = field(default_factory=dict)
    """ONNX name of every value."""
    layers: dict[str, int] = field(default_factory=dict)
    """The nonlinear layers, by the ONNX name of their output: what a recipe refers to."""
    skipped: str = ""

    def size(self, value: int) -> int:
        return prod(self.shapes[value])

    def add(self, piece: Piece, shape: Shape) -> int:
        need(prod(shape) <= MOST_NUMBERS, Reason.TOO_LARGE, "a value of the network")
        self.pieces.append(piece)
        self.shapes.append(shape)
        return len(self.pieces)


class Building:
    """A node being read: its attributes must all be asked for, its constants finite."""

    def __init__(self, network: Network, model: Model, node: Node) -> None:
        self.network, self.model, self.node = network, model, node
        self._asked: set[str] = set()

    def need(self, condition: object, detail: str) -> None:
        need(condition, Reason.OPERATOR, f"{self.node.operator}: {detail}")

    def attribute(self, name: str, otherwise: Kind) -> Kind:
        """An attribute of the same kind as its default; one of another kind is refused."""
        self._asked.add(name)
        found = self.node.attributes.get(name, otherwise)
        self.need(type(found) is type(otherwise), f"{name} is of another kind")
        return cast(Kind, found)

    def all_asked(self) -> None:
        left = sorted(set(self.node.attributes) - self._asked)
        self.need(not left, f"unknown attributes {left}")

    def has(self, place: int) -> bool:
        return place < len(self.node.inputs) and self.node.inputs[place] != ""

    def value(self, place: int = 0) -> int:
        """The network value at an input place."""
        name = self.node.inputs[place]
        self.need(name in self.network.names, f"input {place} is not a value computed before it")
        return self.network.names[name]

    def is_constant(self, place: int) -> bool:
        return self.has(place) and self.node.inputs[place] in self.model.constants

    def floats(self, place: int) -> Array:
        self.need(self.is_constant(place), f"input {place} is not a constant")
        found = self.model.constants[self.node.inputs[place]]
        self.need(found.dtype.kind == "f", f"input {place} does not hold float32")
        found = found.astype(np.float64)
        self.need((np.abs(found) < LARGEST).all(), f"input {place} is not finite or too large")
        return found

    def integers(self, place: int) -> list[int]:
        self.need(self.is_constant(place), f"input {place} is not a constant")
        found = self.model.constants[self.node.inputs[place]]
        self.need(found.dtype.kind == "i" and found.ndim <= 1, f"input {place}: no integers")
        return [int(n) for n in found.ravel()]

    def shape(self, value: int) -> Shape:
        return self.network.shapes[value]

    def affine(self, source: int, linear, shape: Shape, bias: Array | float = 0.0, **more) -> int:
        """Add z = W h + b; by default W and b are what the file says, summed in one go."""
        bias = np.broadcast_to(np.asarray(bias, np.float64).ravel(), (prod(shape),)).copy()
        piece = Affine(
            (source,),
            linear,
            bias,
            more.get("bias_size", np.abs(bias)),
            more.get("bias_error", np.zeros_like(bias)),
            more.get("inexact", 0.0),
            more.get("roundings", linear.fan + 1),
        )
        self.need(linear.largest < LARGEST, "weights are too large")
        return self.network.add(piece, shape)

    def pick(self, source: int, places: Array) -> int:
        """Add a rearrangement; `places` has the shape of the result."""
        real = places[places >= 0]
        self.need(len(np.unique(real)) == real.size, "a number is used twice")
        return self.network.add(Pick((source,), places.ravel()), places.shape)

    def grid(self, value: int) -> Array:
        return np.arange(self.network.size(value)).reshape(self.shape(value))


Builder = Callable[[Building], int]
BUILDERS: dict[str, Builder] = {}


def builds(*operators: str) -> Callable[[Builder], Builder]:
    """Announce what turns nodes of these operators into pieces."""

    def keep(builder: Builder) -> Builder:
        BUILDERS.update(dict.fromkeys(operators, builder))
        return builder

    return keep


@builds("Gemm")
def _gemm(b: Building) -> int:
    h, weight = b.value(), b.floats(1)
    weight = weight if b.attribute("transB", 0) else weight.T
    plain = b.attribute("alpha", 1.0) == 1.0 and b.attribute("beta", 1.0) == 1.0
    b.need(plain and b.attribute("transA", 0) == 0, "alpha, beta or transA is not the default")
    b.need(weight.ndim == 2 and b.shape(h) == (1, weight.shape[1]), "shapes do not fit")
    bias = b.floats(2) if b.has(2) else np.zeros(1)
    b.need(bias.size in (1, len(weight)) and bias.shape[-1:] == (bias.size,), "bias shape")
    return b.affine(h, Dense(np.ascontiguousarray(weight)), (1, len(weight)), bias)


@builds("MatMul")
def _matmul(b: Building) -> int:
    h, weight = b.value(), b.floats(1)
    b.need(weight.ndim == 2 and prod(b.shape(h)) == len(weight), "only a vector times a matrix")
    b.need(b.shape(h)[-1] == len(weight), "shapes do not fit")
    shape = (*b.shape(h)[:-1], weight.shape[1])
    return b.affine(h, Dense(np.ascontiguousarray(weight.T)), shape)


def _constant_operand(b: Building, array: Array, h: int) -> Array:
    """A constant broadcast to the value it meets; it must not make the value larger."""
    shape = b.shape(h)
    b.need(np.broadcast_shapes(array.shape, shape) == shape, "broadcasting changes the value")
    return np.broadcast_to(array, shape).ravel()


@builds("Add", "Sub")
def _add(b: Building) -> int:
    sign = 1.0 if b.node.operator == "Add" else -1.0
    if not b.is_constant(0) and not b.is_constant(1):
        left, right = b.value(0), b.value(1)
        b.need(b.shape(left) == b.shape(right), "two values of different shape")
        return b.network.add(Sum((left, right), sign), b.shape(left))
    place = 0 if b.is_constant(0) else 1
    h = b.value(1 - place)
    c = _constant_operand(b, b.floats(place), h)
    if place == 0 and sign < 0:  # c - h
        return b.affine(h, Diagonal(np.full(c.size, -1.0)), b.shape(h), c)
    before = b.network.pieces[h - 1] if h else None
    if not isinstance(before, Affine):
        return b.affine(h, Diagonal(np.ones(c.size)), b.shape(h), sign * c)
    bias = before.bias + sign * c  # the deployed network may sum both in one go
    return b.affine(
        before.sources[0],
        before.linear,
        b.shape(h),
        bias,
        bias_size=(before.bias_size + np.abs(c)) * (1 + 2 * UNIT),
        bias_error=before.bias_error + 2 * UNIT * np.abs(bias),
        inexact=before.inexact,
        roundings=before.roundings + 1,
    )


@builds("Mul", "Div")
def _scale(b: Building) -> int:
    divides = b.node.operator == "Div"
    place = 1 if divides or b.is_constant(1) else 0
    h = b.value(1 - place)
    c = _constant_operand(b, b.floats(place), h)
    if not divides:
        return b.affine(h, Diagonal(c), b.shape(h))
    b.need((np.abs(c) > 1e-30).all(), "division by zero or almost")
    return b.affine(h, Diagonal(1.0 / c), b.shape(h), inexact=2 * UNIT)


@builds("BatchNormalization")
def _batch_normalization(b: Building) -> int:
    h, epsilon = b.value(), float(b.attribute("epsilon", 1e-5))
    b.attribute("momentum", 0.9)
    b.need(b.attribute("training_mode", 0) == 0 and b.attribute("spatial", 1) == 1, "training mode")
    gain, shift, mean, variance = (b.floats(place) for place in (1, 2, 3, 4))
    shape = b.shape(h)
    b.need(len(shape) >= 2, "no channels")
    b.need(all(p.shape == (shape[1],) for p in (gain, shift, mean, variance)), "parameter shapes")
    fits = (variance + epsilon > 1e-10).all() and epsilon >= 0
    b.need(fits, "variance plus epsilon is not > 1e-10")
    scale = gain / np.sqrt(variance + epsilon)
    bias = shift - mean * scale
    size = (np.abs(shift) + np.abs(mean * scale)) * (1 + 32 * UNIT)
    flushed = TINY32 * 2**10 * (1 + np.abs(gain) + np.abs(scale))  # of its inner products

    def spread(channels: Array) -> Array:
        return np.broadcast_to(channels.reshape(-1, *[1] * (len(shape) - 2)), shape[1:]).ravel()

    return b.affine(
        h,
        Diagonal(spread(scale)),
        shape,
        spread(bias),
        bias_size=spread(size),
        bias_error=spread(16 * UNIT * size + flushed),
        inexact=8 * UNIT,
        roundings=16,
    )


def _pads(b: Building, kernel: list[int], stride: list[int], dilation: list[int], sizes: Shape):
    """Padding before and after, per axis, also where the file says SAME or VALID."""
    count = len(kernel)
    pads = b.attribute("pads", [0] * 2 * count)
    how = b.attribute("auto_pad", b"NOTSET")
    b.need(len(pads) == 2 * count and all(p >= 0 for p in pads), "pads")
    if how == b"NOTSET":
        return list(zip(pads[:count], pads[count:], strict=True))
    b.need(how in (b"SAME_UPPER", b"SAME_LOWER", b"VALID") and not any(pads), "auto_pad")
    found = []
    for k, s, d, size in zip(kernel, stride, dilation, sizes, strict=True):
        total = 0 if how == b"VALID" else max((-(-size // s) - 1) * s + (k - 1) * d + 1 - size, 0)
        less, more = total // 2, total - total // 2
        found.append((less, more) if how == b"SAME_UPPER" else (more, less))
    return found


def _window(b: Building, h: int, kernel: list[int], channels: int) -> tuple[Window, Shape, list]:
    """The geometry of a convolution or pooling; one-dimensional ones get height 1."""
    shape, count = b.shape(h), len(b.shape(h)) - 2
    b.need(count in (1, 2) and len(kernel) == count, "only one and two dimensions")
    stride, dilation = b.attribute("strides", [1] * count), b.attribute("dilations", [1] * count)
    b.need(len(stride) == len(dilation) == count, "strides or dilations")
    b.need(all(1 <= n < 2**20 for n in [*kernel, *stride, *dilation]), "geometry")
    pads = _pads(b, kernel, stride, dilation, shape[2:])
    sizes = [
        (size + sum(pad) - (k - 1) * d - 1) // s + 1
        for size, pad, k, s, d in zip(shape[2:], pads, kernel, stride, dilation, strict=True)
    ]
    b.need(all(n > 0 for n in sizes), "the kernel is larger than the image")
    b.need(all(max(pad) < 2**20 for pad in pads), "pads")

    def pair(numbers, missing: int) -> tuple[int, int]:
        return (missing, numbers[0]) if count == 1 else (numbers[0], numbers[1])

    window = Window(
        image_of(shape) or (0, 0, 0),
        (channels, *pair(sizes, 1)),
        pair(kernel, 1),
        pair(stride, 1),
        pair([pad[0] for pad in pads], 0),
        pair(dilation, 1),
    )
    return window, (1, channels, *sizes), pads


@builds("Conv")
def _conv(b: Building) -> int:
    h, weight, groups = b.value(), b.floats(1), b.attribute("group", 1)
    outputs, inputs = weight.shape[:2]
    b.need(list(weight.shape[2:]) == b.attribute("kernel_shape", list(weight.shape[2:])), "kernel")
    b.need(weight.size > 0 and groups >= 1 and outputs % groups == 0, "groups")
    b.need(b.shape(h)[1] == inputs * groups, "channels")
    window, shape, _ = _window(b, h, list(weight.shape[2:]), outputs)
    kernel = weight.reshape(groups, outputs // groups, inputs, *window.kernel)
    bias = b.floats(2) if b.has(2) else np.zeros(outputs)
    b.need(bias.shape == (outputs,), "bias shape")
    return b.affine(h, Convolution(kernel, window), shape, np.repeat(bias, prod(shape[2:])))


def _average(b: Building, h: int, kernel: list[int], whole_windows: bool) -> int:
    """Sum of each window, each window divided by how many numbers it holds."""
    channels = b.shape(h)[1]
    window, shape, pads = _window(b, h, kernel, channels)
    whole_windows = whole_windows or not any(map(any, pads))
    share = 1.0 / prod(kernel) if whole_windows else 1.0
    ones = Convolution(np.full((channels, 1, 1, *window.kernel), share), window)
    total = b.affine(h, ones, shape, inexact=2 * UNIT, roundings=ones.fan + 3)
    if whole_windows:
        return total
    counts = ones.forward(np.ones((1, b.network.size(h))))[0]
    with np.errstate(divide="ignore"):  # a window of padding only is refused as too large
        share_of_each = Diagonal(1.0 / counts)
    return b.affine(total, share_of_each, shape, inexact=2 * UNIT, roundings=3)


@builds("AveragePool")
def _average_pool(b: Building) -> int:
    b.need(b.attribute("ceil_mode", 0) == 0, "ceil_mode")
    whole = b.attribute("count_include_pad", 0) == 1
    return _average(b, b.value(), b.attribute("kernel_shape", NONE), whole)


@builds("GlobalAveragePool")
def _global_average_pool(b: Building) -> int:
    h = b.value()
    return _average(b, h, list(b.shape(h)[2:]), True)


@builds("MaxPool")
def _max_pool(b: Building) -> int:
    h, kernel = b.value(), b.attribute("kernel_shape", NONE)
    b.need(b.attribute("ceil_mode", 0) == 0 and b.attribute("storage_order", 0) == 0, "ceil_mode")
    window, shape, pads = _window(b, h, kernel, b.shape(h)[1])
    b.need(window.dilation == (1, 1), "dilations")
    b.need(all(max(p) < k for p, k in zip(pads, kernel, strict=True)), "a window of padding only")
    return b.network.add(MaxPool((h,), window), shape)


@builds("Relu", "LeakyRelu", "Sigmoid", "Tanh")
def _activation(b: Building) -> int:
    h = b.value()
    function = {"Relu": RELU, "Sigmoid": SIGMOID, "Tanh": TANH}.get(b.node.operator)
    if function is None:
        function = Kinked(float(b.attribute("alpha", struct_float(0.01))))
        b.need(0.0 <= function.leak <= 1.0, "alpha is not in [0, 1]")
    return b.network.add(Activation((h,), function), b.shape(h))


def struct_float(number: float) -> float:
    """A default of the standard as the binary32 number it is."""
    return float(np.float32(number))


@builds("Flatten", "Reshape")
def _reshape(b: Building) -> int:
    h = b.value()
    shape, n = b.shape(h), b.network.size(h)
    if b.node.operator == "Flatten":
        axis = b.attribute("axis", 1)
        b.need(0 <= axis <= len(shape), "axis")
        return b.pick(h, np.arange(n).reshape(prod(shape[:axis]), -1))
    b.need(b.attribute("allowzero", 0) == 0, "allowzero")
    wanted = b.integers(1)
    b.need(wanted.count(-1) <= 1 and len(wanted) <= 8, "more than one open dimension")
    b.need(all(n != 0 or i < len(shape) for i, n in enumerate(wanted)), "a zero without source")
    sizes = [shape[i] if size == 0 else size for i, size in enumerate(wanted)]
    known = prod(size for size in sizes if size != -1)
    sizes = [n // known if size == -1 else size for size in sizes]
    b.need(prod(sizes) == n and all(size > 0 for size in sizes), "sizes do not fit")
    return b.pick(h, np.arange(n).reshape(sizes))


@builds("Transpose")
def _transpose(b: Building) -> int:
    h = b.value()
    axes = b.attribute("perm", list(range(len(b.shape(h))))[::-1])
    b.need(sorted(axes) == list(range(len(b.shape(h)))), "perm")
    return b.pick(h, b.grid(h).transpose(axes))


@builds("Concat")
def _concat(b: Building) -> int:
    sources = [b.value(place) for place in range(len(b.node.inputs))]
    axis, rank = b.attribute("axis", 2**31), len(b.shape(sources[0]))
    b.need(-rank <= axis < rank, "axis")
    grids, start = [], 0
    for source in sources:
        grids.append(b.grid(source) + start)
        start += b.network.size(source)
    places = np.concatenate(grids, axis=axis)
    return b.network.add(Pick(tuple(sources), places.ravel()), places.shape)


@builds("Pad")
def _pad(b: Building) -> int:
    h, rank = b.value(), len(b.shape(b.value()))
    b.need(b.attribute("mode", b"constant") == b"constant", "mode")
    pads = b.attribute("pads", NONE) if b.model.opset < 11 else b.integers(1)
    fill = b.attribute("value", 0.0) if b.model.opset < 11 else 0.0
    if b.model.opset >= 11 and b.has(2):
        fill = float(b.floats(2).ravel()[0])
    b.need(not b.has(3) and fill == 0.0, "only zeros on all axes")
    b.need(len(pads) == 2 * rank and all(0 <= p < 2**16 for p in pads), "pads")
    around = list(zip(pads[:rank], pads[rank:], strict=True))
    total = prod(n + sum(p) for n, p in zip(b.shape(h), around, strict=True))
    need(total <= MOST_NUMBERS, Reason.TOO_LARGE, "padded value")
    return b.pick(h, np.pad(b.grid(h), around, constant_values=-1))


@builds("Slice")
def _slice(b: Building) -> int:
    h, shape = b.value(), b.shape(b.value())
    if b.model.opset < 10:
        starts, ends = b.attribute("starts", NONE), b.attribute("ends", NONE)
        axes, steps = b.attribute("axes", list(range(len(starts)))), [1] * len(starts)
    else:
        starts, ends = b.integers(1), b.integers(2)
        axes = b.integers(3) if b.has(3) else list(range(len(starts)))
        steps = b.integers(4) if b.has(4) else [1] * len(starts)
    b.need(len(starts) == len(ends) == len(axes) == len(steps), "lengths")
    b.need(all(-len(shape) <= axis < len(shape) for axis in axes), "axes")
    axes = [axis % len(shape) for axis in axes]
    b.need(len(set(axes)) == len(axes) and all(step > 0 for step in steps), "axes or steps")
    cut = [slice(None)] * len(shape)
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        cut[axis] = slice(start, end, step)
    places = b.grid(h)[tuple(cut)]
    b.need(places.size > 0, "nothing is left")
    return b.pick(h, places)


@builds("Identity", "Dropout")
def _same(b: Building) -> int:
    b.attribute("ratio", 0.5)
    b.attribute("seed", 0)
    if b.has(2):
        training = b.model.constants.get(b.node.inputs[2])
        b.need(training is not None and not training.any(), "training mode")
    return b.value()


def _needed(model: Model) -> list[Node]:
    """The nodes the output depends on, in the order of the file."""
    wanted, found = {model.output_name}, []
    for node in reversed(model.nodes):
        if wanted & set(node.outputs):
            found.append(node)
            wanted |= set(node.inputs)
    return found[::-1]


def build(model: Model) -> Network:
    """Turn a graph into pieces.

    Raises:
        Refusal: an operator, attribute or shape is not known here.
    """
    nodes = _needed(model)
    produced = [name for node in model.nodes for name in node.outputs if name]
    produced += [*model.constants, model.input_name]
    need(len(set(produced)) == len(produced), Reason.GRAPH, "two values have one name")
    network = Network([model.input_shape], names={model.input_name: 0})
    model = Model(**{**vars(model), "constants": dict(model.constants)})
    skipped = ""
    need(nodes, Reason.GRAPH, "the output is not computed")
    last = nodes[-1]
    need(last.outputs[0] == model.output_name, Reason.GRAPH, "nodes are not in order")
    if last.operator in SKIPPED_AT_THE_END:
        nodes.pop()
        need(set(last.attributes) <= {"axis"}, Reason.OPERATOR, f"attributes of {last.operator}")
        skipped, output = last.operator, last.inputs[0]
    else:
        output = model.output_name
    for node in nodes:
        if node.operator == "Constant":
            value = node.attributes.get("value")
            if not isinstance(value, np.ndarray) or len(node.attributes) != 1:
                raise Refusal(Reason.OPERATOR, "Constant: only a tensor is supported")
            model.constants[node.outputs[0]] = value
            continue
        if node.operator not in BUILDERS:
            raise Refusal(Reason.OPERATOR, f"{node.operator} is not supported")
        building = Building(network, model, node)
        value = BUILDERS[node.operator](building)
        building.all_asked()
        network.names[node.outputs[0]] = value
        if value and isinstance(network.pieces[value - 1], Nonlinear):
            network.layers.setdefault(node.outputs[0], value)
    value = network.names.get(output, 0)
    need(value > 0, Reason.GRAPH, "the network does nothing")
    return _without_dead_ends(network, value, skipped)


def _without_dead_ends(network: Network, output: int, skipped: str) -> Network:
    """Drop what nothing needs any more: a MatMul whose Add was merged with it, say."""
    needed = {output}
    for value in range(output, 0, -1):
        if value in needed:
            needed |= set(network.pieces[value - 1].sources)
    kept = sorted(needed)
    place = {old: new for new, old in enumerate(kept)}
    found = Network([network.shapes[old] for old in kept], skipped=skipped)
    for old in kept[1:]:
        piece = network.pieces[old - 1]
        piece.sources = tuple(place[s] for s in piece.sources)
        found.pieces.append(piece)
    found.names = {name: place[old] for name, old in network.names.items() if old in place}
    layers = network.layers.items()
    found.layers = {name: place[old] for name, old in layers if old in place}
    return found
