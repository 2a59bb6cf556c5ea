"""Small random networks that are hard on floating point, as ONNX bytes.

Weights from 1e-8 to 1e6, cancellations of 2^20, boxes of radius 0, every operator the checker
knows. Deterministic: all randomness comes from the generator handed in.
"""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

SCALES = ("plain", "huge", "cancel", "tiny", "subnormal")


class Writer:
    """Collects nodes and initialisers of one graph."""

    def __init__(self, rng: np.random.Generator, scale: str) -> None:
        self.rng, self.scale = rng, scale
        self.nodes, self.constants, self.count = [], [], 0

    def constant(self, array, kind=np.float32) -> str:
        self.count += 1
        name = f"c{self.count}"
        self.constants.append(numpy_helper.from_array(np.asarray(array, kind), name))
        return name

    def node(self, operator: str, inputs, **attributes) -> str:
        self.count += 1
        name = f"v{self.count}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def weights(self, *shape) -> np.ndarray:
        """Random weights; under `cancel` neighbours along axis 1 nearly cancel."""
        rng = self.rng
        size = {"huge": 10.0 ** rng.integers(-3, 7), "tiny": 10.0 ** -rng.integers(3, 9)}
        size["subnormal"] = 10.0 ** -rng.integers(12, 24)
        found = rng.standard_normal(shape) * size.get(self.scale, 1.0)
        if self.scale == "cancel" and len(shape) > 1 and shape[1] > 1:
            found[:, 1] = -found[:, 0] * (1 + 2.0**-20)
            found[:, :2] *= 2.0**20
        return found.astype(np.float32)

    def bias(self, n: int) -> np.ndarray:
        found = self.weights(n)
        return found + np.float32(2.0**18) if self.scale == "cancel" else found

    def model(self, shape, output: str, opset: int = 13) -> bytes:
        value = helper.make_tensor_value_info
        graph = helper.make_graph(
            self.nodes,
            "hostile",
            [value("x", TensorProto.FLOAT, list(shape))],
            [value(output, TensorProto.FLOAT, None)],
            self.constants,
        )
        opsets = [helper.make_opsetid("", opset)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


def _activated(w: Writer, h: str, smooth: bool) -> str:
    if smooth and w.rng.random() < 0.5:
        return w.node(str(w.rng.choice(["Sigmoid", "Tanh"])), [h])
    if w.rng.random() < 0.3:
        return w.node("LeakyRelu", [h], alpha=float(w.rng.choice([0.01, 0.25, 0.5])))
    return w.node("Relu", [h])


def _dense(w: Writer, h: str, n: int, m: int) -> str:
    if w.rng.random() < 0.5:
        inputs = [h, w.constant(w.weights(m, n)), w.constant(w.bias(m))]
        return w.node("Gemm", inputs, transB=1)
    found = w.node("MatMul", [h, w.constant(w.weights(m, n).T)])
    return w.node("Add", [found, w.constant(w.bias(m))])


def _normalised(w: Writer, h: str, channels: int) -> str:
    rng = w.rng
    parts = [w.weights(channels), w.bias(channels), w.bias(channels)]
    parts.append(np.abs(rng.standard_normal(channels)) + 0.01)
    return w.node("BatchNormalization", [h, *map(w.constant, parts)], epsilon=1e-5)


def _constant_step(w: Writer, h: str, n: int) -> str:
    """Sub, Add, Mul or Div by a constant."""
    operator = str(w.rng.choice(["Sub", "Add", "Mul", "Div"]))
    c = w.weights(n) + np.float32(3.0 if operator == "Div" else 0.0)
    if operator == "Sub" and w.rng.random() < 0.5:
        return w.node("Sub", [w.constant(c), h])
    return w.node(operator, [h, w.constant(np.where(c == 0, np.float32(1), c))])


def dense_model(rng: np.random.Generator, scale: str, smooth: bool) -> tuple[bytes, tuple]:
    """A fully connected network with residual connections and constant steps."""
    w = Writer(rng, scale)
    n = first = int(rng.integers(1, 6))
    h = "x"
    if rng.random() < 0.4:
        h = _constant_step(w, h, n)
    for _ in range(int(rng.integers(1, 4))):
        m = int(rng.integers(2, 6))
        z = _dense(w, h, n, m)
        if rng.random() < 0.3:
            z = _normalised(w, z, m)
        a = _activated(w, z, smooth)
        way = rng.random()
        if way < 0.3:  # a residual block
            side = z if rng.random() < 0.5 else _dense(w, a, m, m)
            a = w.node(str(rng.choice(["Add", "Sub"])), [a, side])
            a = _activated(w, a, smooth) if rng.random() < 0.7 else a
        elif way < 0.4:
            a = w.node("Concat", [a, z], axis=1)
            m *= 2
        elif way < 0.5:
            a = _constant_step(w, a, m)
        h, n = a, m
    return w.model((1, first), _dense(w, h, n, 3)), (1, first)


def image_model(rng: np.random.Generator, scale: str, smooth: bool) -> tuple[bytes, tuple]:
    """A convolutional network: strides, padding, dilation, groups, pooling, residual blocks."""
    w = Writer(rng, scale)
    flat = rng.random() < 0.25
    size = int(rng.integers(4, 7))
    space = (size,) if flat else (size, size - int(rng.integers(0, 2)))
    c = int(rng.choice([1, 2]))
    shape, h = (1, c, *space), "x"
    if rng.random() < 0.2:
        h = w.node("Transpose", [h], perm=[0, 1, *range(len(shape) - 1, 1, -1)])
        space = space[::-1]
    for _ in range(int(rng.integers(1, 3))):
        k = [int(rng.integers(1, 4)) for _ in space]
        stride, dilation = int(rng.integers(1, 3)), int(rng.integers(1, 3))
        pads = [int(rng.integers(0, 2)) for _ in range(2 * len(space))]
        total = [
            s + pads[i] + pads[i + len(space)] - (k[i] - 1) * dilation for i, s in enumerate(space)
        ]
        if min(total) < 1:
            continue
        groups = 2 if c % 2 == 0 and rng.random() < 0.4 else 1
        m = 2 if rng.random() < 0.7 else 4
        kernel = w.constant(w.weights(m, c // groups, *k))
        inputs = [h, kernel] + ([w.constant(w.bias(m))] if rng.random() < 0.7 else [])
        several = len(space)
        attributes = {"strides": [stride] * several, "dilations": [dilation] * several}
        z = w.node("Conv", inputs, pads=pads, group=groups, **attributes)
        space, c = tuple((t - 1) // stride + 1 for t in total), m
        if rng.random() < 0.3:
            z = _normalised(w, z, c)
        h = _activated(w, z, smooth)
        if rng.random() < 0.4:  # a residual block around a convolution that keeps the size
            ones = [1] * 2 * several
            inner = w.node("Conv", [h, w.constant(w.weights(c, c, *[3] * several))], pads=ones)
            side = w.node("Conv", [h, w.constant(w.weights(c, c, *[1] * several))])
            h = w.node("Add", [inner, side if rng.random() < 0.5 else h])
            h = _activated(w, h, smooth)
        if min(space) >= 2 and rng.random() < 0.5:
            operator = str(rng.choice(["MaxPool", "AveragePool"]))
            pads = [int(rng.integers(0, 2))] * several + [0] * several
            more = (
                {"count_include_pad": 1} if operator == "AveragePool" and rng.random() < 0.5 else {}
            )
            h = w.node(
                operator, [h], kernel_shape=[2] * several, strides=[1] * several, pads=pads, **more
            )
            space = tuple(s + p - 1 for s, p in zip(space, pads, strict=False))
    if rng.random() < 0.2:
        pads = [0, 0, *[1] * len(space), *[0] * (2 + len(space))]
        h = w.node("Pad", [h, w.constant(pads, np.int64)])
        space = tuple(s + 1 for s in space)
    if min(space) > 1 and rng.random() < 0.2:
        cuts = [[1], [2**31], [2]]
        h = w.node("Slice", [h, *(w.constant(cut, np.int64) for cut in cuts)])
        space = (space[0] - 1, *space[1:])
    if rng.random() < 0.2:
        h, space = w.node("GlobalAveragePool", [h]), (1,) * len(space)
    n = c * int(np.prod(space))
    way = rng.random()
    h = (
        w.node("Flatten", [h])
        if way < 0.5
        else w.node("Reshape", [h, w.constant([1, -1], np.int64)])
    )
    return w.model(shape, _dense(w, h, n, 3)), shape


def lone_model(rng: np.random.Generator, scale: str, way: int | None = None) -> tuple[bytes, tuple]:
    """One or two operators on three inputs: nothing else's error hides a missing error term."""
    w = Writer(rng, scale)
    way = int(rng.integers(0, 11)) if way is None else way
    if way == 0:
        h = _constant_step(w, "x", 3)
    elif way == 1:
        h = _normalised(w, "x", 3)
    elif way == 2:
        h = w.node("Sub", [_dense(w, "x", 3, 3), _dense(w, "x", 3, 3)])
    elif way == 3:
        h = w.node("Add", ["x", _activated(w, "x", smooth=False)])
    elif way == 4:
        h = w.node("LeakyRelu", [w.node("Mul", ["x", w.constant([-1.0])])], alpha=0.3)
    elif way == 5:
        h = w.node("Reshape", ["x", w.constant([1, 1, 3], np.int64)])
        h = w.node("AveragePool", [h], kernel_shape=[3], strides=[1], pads=[1, 1])
        h = w.node("Flatten", [h])
    elif way == 6:
        h = _constant_step(w, _constant_step(w, "x", 3), 3)
    elif way >= 8:  # one large weight and small ones: for inputs that are flushed to zero
        uneven = np.array([2.0**20, 2.0**-20, 2.0**-20]) * (1 + rng.random((3, 3)))
        if way == 8:
            h = w.node("Gemm", ["x", w.constant(uneven)], transB=1)
        elif way == 9:
            h = w.node("Mul", ["x", w.constant(uneven[0])])
        else:
            h = w.node("Reshape", ["x", w.constant([1, 3, 1], np.int64)])
            h = w.node("Flatten", [w.node("Conv", [h, w.constant(uneven[:, :, None])])])
    else:
        h = w.node(str(rng.choice(["Sigmoid", "Tanh", "LeakyRelu"])), ["x"])
        h = w.node("Identity", [h])  # a trailing Sigmoid would be skipped
    return w.model((1, 3), h), (1, 3)


def hostile_model(rng: np.random.Generator, number: int) -> tuple[bytes, tuple]:
    """Network `number` of a run; scales and kinds take turns."""
    scale = SCALES[number % 5]
    if number // 5 % 3 == 2:
        return lone_model(rng, scale)
    make = dense_model if rng.random() < 0.5 else image_model
    return make(rng, scale, smooth=rng.random() < 0.3)


RADII = (0.0, 0.0, 1e-9, 1e-6, 1e-3, 0.1, 1.0)


def hostile_box(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Center, lower and upper ends in float32; some inputs do not move."""
    center = (rng.random(n) * 2.0 ** rng.integers(-8, 3)).astype(np.float32)
    center *= rng.choice([-1.0, 1.0, 1.0], n).astype(np.float32)
    if rng.random() < 0.2:
        center[0] = 2.0**-127 * (1 + rng.random())  # a float32 that may be flushed to zero
    radius = np.float32(rng.choice(RADII)) * (rng.random(n) < 0.8).astype(np.float32)
    return center, (center - radius).astype(np.float32), (center + radius).astype(np.float32)
