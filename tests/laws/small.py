"""Tiny networks, one for every kind of step that bounds know."""

from functools import cache

import numpy as np
import onnx
from networks import cnn, loaded, mlp, model, residual
from onnx import helper

from verixplain.network import Network


def _weights(seed: int, **shapes) -> dict[str, np.ndarray]:
    """Random float32 constants of the given shapes."""
    rng = np.random.default_rng(seed)
    scales = {name: max(1, int(np.prod(shape[1:]))) ** -0.5 for name, shape in shapes.items()}
    return {name: rng.normal(0, scales[name], shape).astype("f4") for name, shape in shapes.items()}


def pooled(strides: int, kernel: int = 2, pad: int = 0, seed: int = 0) -> onnx.ModelProto:
    """A convolution, ReLU, max pooling, a linear layer."""
    size = (6 + 2 * pad - kernel) // strides + 1
    constants = _weights(seed, k=(2, 1, 3, 3), c=(2,), w=(3, 2 * size * size), b=(3,))
    nodes = [
        helper.make_node("Conv", ["x", "k", "c"], ["s"], "conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["s"], ["a"], "relu"),
        helper.make_node(
            "MaxPool",
            ["a"],
            ["m"],
            "pool",
            kernel_shape=[kernel, kernel],
            strides=[strides, strides],
            pads=[pad] * 4,
        ),
        helper.make_node("Flatten", ["m"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "w", "b"], ["y"], "out", transB=1),
    ]
    return model(nodes, constants, ("batch", 1, 6, 6))


def averaged(seed: int = 0) -> onnx.ModelProto:
    """An average over windows of nine, then a linear layer and ReLU."""
    constants = _weights(seed, w=(4, 4), b=(4,), v=(3, 4), d=(3,))
    nodes = [
        helper.make_node("AveragePool", ["x"], ["p"], "mean", kernel_shape=[3, 3], strides=[3, 3]),
        helper.make_node("Flatten", ["p"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "w", "b"], ["h"], "hidden", transB=1),
        helper.make_node("Relu", ["h"], ["a"], "relu"),
        helper.make_node("Gemm", ["a", "v", "d"], ["y"], "out", transB=1),
    ]
    return model(nodes, constants, ("batch", 1, 6, 6))


def softmax_inside(scale: float = 3.0, seed: int = 0) -> onnx.ModelProto:
    """Linear, Softmax, Linear: attention without the rest."""
    constants = _weights(seed, w=(4, 4), b=(4,), v=(3, 4), d=(3,))
    constants["w"] *= scale
    nodes = [
        helper.make_node("Gemm", ["x", "w", "b"], ["s"], "scores", transB=1),
        helper.make_node("Softmax", ["s"], ["p"], "softmax", axis=-1),
        helper.make_node("Gemm", ["p", "v", "d"], ["y"], "out", transB=1),
    ]
    return model(nodes, constants)


def normalised(seed: int = 0) -> onnx.ModelProto:
    """Layer normalisation between two linear layers: mean, square, root, quotient."""
    constants = _weights(seed, w=(4, 4), b=(4,), v=(3, 4), d=(3,))
    constants |= {"g": np.linspace(0.5, 1.5, 4, dtype="f4"), "o": np.full(4, 0.1, "f4")}
    nodes = [
        helper.make_node("Gemm", ["x", "w", "b"], ["h"], "hidden", transB=1),
        helper.make_node(
            "LayerNormalization", ["h", "g", "o"], ["n"], "norm", axis=-1, epsilon=0.1
        ),
        helper.make_node("Gemm", ["n", "v", "d"], ["y"], "out", transB=1),
    ]
    return model(nodes, constants)


def product(seed: int = 0) -> onnx.ModelProto:
    """The product of two ReLU branches: both factors vary."""
    constants = _weights(seed, w=(4, 4), b=(4,), u=(4, 4), v=(3, 4), d=(3,))
    nodes = [
        helper.make_node("Gemm", ["x", "w", "b"], ["h"], "left", transB=1),
        helper.make_node("Gemm", ["x", "u"], ["k"], "right", transB=1),
        helper.make_node("Relu", ["h"], ["a"], "relu"),
        helper.make_node("Mul", ["a", "k"], ["m"], "gate"),
        helper.make_node("Gemm", ["m", "v", "d"], ["y"], "out", transB=1),
    ]
    return model(nodes, constants)


def batchnorm(seed: int = 0) -> onnx.ModelProto:
    """A convolution with batch normalisation after it."""
    constants = _weights(seed, k=(2, 1, 3, 3), w=(3, 8), b=(3,))
    constants |= {
        "scale": np.array([0.7, 1.3], "f4"),
        "shift": np.array([0.1, -0.2], "f4"),
        "mean": np.array([0.05, -0.1], "f4"),
        "variance": np.array([0.3, 2.0], "f4"),
    }
    nodes = [
        helper.make_node("Conv", ["x", "k"], ["s"], "conv"),
        helper.make_node(
            "BatchNormalization", ["s", "scale", "shift", "mean", "variance"], ["n"], "norm"
        ),
        helper.make_node("Relu", ["n"], ["a"], "relu"),
        helper.make_node("Flatten", ["a"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "w", "b"], ["y"], "out", transB=1),
    ]
    return model(nodes, constants, ("batch", 1, 4, 4))


def kilo_softmax(k: float) -> onnx.ModelProto:
    """`../data/README.md`, finding 1: Softmax of `k x`, on which auto_LiRPA's interval is wrong."""
    constants = {"w": (k * np.eye(3)).astype("f4"), "v": np.eye(3, dtype="f4")}
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["s"], "scores"),
        helper.make_node("Softmax", ["s"], ["p"], "softmax", axis=-1),
        helper.make_node("MatMul", ["p", "v"], ["y"], "out"),
    ]
    return model(nodes, constants, ("batch", 3))


def cancelling() -> onnx.ModelProto:
    """`relu(5 x1) - relu(5 x1) + relu(x2)`: EVA with intervals ranks the idle input first."""
    first = np.array([[5, 5, 0], [0, 0, 1]], "f4")
    parts = {f"w{k}": first[:, [k]] for k in range(3)}
    nodes = []
    for k in range(3):
        nodes += [
            helper.make_node("MatMul", ["x", f"w{k}"], [f"s{k}"], f"layer{k}"),
            helper.make_node("Relu", [f"s{k}"], [f"a{k}"], f"relu{k}"),
        ]
    nodes += [
        helper.make_node("Sub", ["a0", "a1"], ["d"], "difference"),
        helper.make_node("Add", ["d", "a2"], ["y"], "sum"),
    ]
    return model(nodes, parts, ("batch", 2))


MAKERS = {
    "mlp-relu": lambda: mlp((4, 8, 8, 3)),
    "mlp-leaky": lambda: mlp((4, 8, 8, 3), "LeakyRelu", seed=1),
    "mlp-sigmoid": lambda: mlp((4, 8, 8, 3), "Sigmoid", seed=2),
    "mlp-tanh": lambda: mlp((4, 8, 8, 3), "Tanh", seed=3),
    "cnn": cnn,
    "residual": residual,
    "maxpool-apart": lambda: pooled(2),
    "maxpool-overlapping": lambda: pooled(2, kernel=3, pad=1),
    "averagepool": averaged,
    "softmax-inside": softmax_inside,
    "product": product,
    "layernorm": normalised,
    "batchnorm": batchnorm,
}


@cache
def network(name: str) -> Network:
    """One of the networks, loaded once."""
    return loaded(MAKERS[name]())


def center(of: Network, seed: int = 0) -> np.ndarray:
    """A random input, representable in the network's type."""
    values = np.random.default_rng(seed).uniform(0, 1, of.input_shape)
    return values.astype(of.input_dtype).astype(np.float64)
