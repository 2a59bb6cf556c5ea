"""Small networks for tests: seeded weights, any opset, as ONNX models."""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from verixplain.network import Network, load

IR_VERSION = 8
"""Old enough for every ONNX Runtime that is supported."""


def model(
    nodes: Sequence[onnx.NodeProto],
    constants: Mapping[str, np.ndarray] | None = None,
    shape: Sequence[int | str] = ("batch", 4),
    outputs: Sequence[str] = ("y",),
    output_rank: int = 2,
    opset: int = 18,
    dtype: int = TensorProto.FLOAT,
) -> onnx.ModelProto:
    """A model whose input is "x" of `shape` (batch first; words are open dimensions)."""
    open_shape = [f"dim{k}" for k in range(output_rank)]
    graph = helper.make_graph(
        list(nodes),
        "network",
        [helper.make_tensor_value_info("x", dtype, list(shape))],
        [helper.make_tensor_value_info(name, dtype, open_shape) for name in outputs],
        [numpy_helper.from_array(np.asarray(a), name) for name, a in (constants or {}).items()],
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=IR_VERSION
    )


def mlp(
    sizes: Sequence[int] = (4, 8, 8, 3), activation: str = "Relu", seed: int = 0, opset: int = 18
) -> onnx.ModelProto:
    """Fully connected layers `sizes`, an activation between each two."""
    rng = np.random.default_rng(seed)
    nodes, constants, value = [], {}, "x"
    for k, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
        constants[f"w{k}"] = rng.normal(0, 1 / np.sqrt(inputs), (outputs, inputs)).astype("f4")
        constants[f"b{k}"] = rng.normal(0, 0.1, outputs).astype("f4")
        last = k == len(sizes) - 2
        sums = "y" if last else f"sum{k}"
        nodes.append(
            helper.make_node("Gemm", [value, f"w{k}", f"b{k}"], [sums], f"layer{k}", transB=1)
        )
        if not last:
            value = f"act{k}"
            nodes.append(helper.make_node(activation, [sums], [value], f"activation{k}"))
    return model(nodes, constants, ("batch", sizes[0]), opset=opset)


def _convolution(rng, name: str, inputs: int, outputs: int) -> dict[str, np.ndarray]:
    weight = rng.normal(0, 1 / np.sqrt(9 * inputs), (outputs, inputs, 3, 3))
    bias = rng.normal(0, 0.1, outputs)
    return {f"w{name}": weight.astype("f4"), f"b{name}": bias.astype("f4")}


def _classifier(rng, features: int, classes: int) -> dict[str, np.ndarray]:
    weight = rng.normal(0, 1 / np.sqrt(features), (classes, features))
    return {"w": weight.astype("f4"), "b": rng.normal(0, 0.1, classes).astype("f4")}


def cnn(
    channels: Sequence[int] = (1, 2, 3),
    size: int = 8,
    classes: int = 3,
    activation: str = "Relu",
    seed: int = 0,
    opset: int = 18,
) -> onnx.ModelProto:
    """3x3 convolutions of stride 2 on `size` x `size` images, then one linear layer."""
    rng = np.random.default_rng(seed)
    shape = ("batch", channels[0], size, size)
    nodes, constants, value = [], {}, "x"
    for k, (inputs, outputs) in enumerate(itertools.pairwise(channels)):
        constants |= _convolution(rng, str(k), inputs, outputs)
        settings = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}
        nodes += [
            helper.make_node(
                "Conv", [value, f"w{k}", f"b{k}"], [f"sum{k}"], f"conv{k}", **settings
            ),
            helper.make_node(activation, [f"sum{k}"], [f"act{k}"], f"activation{k}"),
        ]
        value, size = f"act{k}", (size + 1) // 2
    constants |= _classifier(rng, channels[-1] * size * size, classes)
    nodes += [
        helper.make_node("Flatten", [value], ["flat"], "flatten"),
        helper.make_node("Gemm", ["flat", "w", "b"], ["y"], "classifier", transB=1),
    ]
    return model(nodes, constants, shape, opset=opset)


def residual(
    channels: int = 2, size: int = 6, classes: int = 3, seed: int = 0, opset: int = 18
) -> onnx.ModelProto:
    """A convolution, a block `relu(x + conv(relu(conv(x))))`, an average, a linear layer."""
    rng = np.random.default_rng(seed)
    settings = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    constants = _convolution(rng, "0", 1, channels)
    for k in (1, 2):
        constants |= _convolution(rng, str(k), channels, channels)
    constants |= _classifier(rng, channels, classes)
    nodes = [
        helper.make_node("Conv", ["x", "w0", "b0"], ["s0"], "stem", **settings),
        helper.make_node("Relu", ["s0"], ["a0"], "stem_relu"),
        helper.make_node("Conv", ["a0", "w1", "b1"], ["s1"], "block_first", **settings),
        helper.make_node("Relu", ["s1"], ["a1"], "block_relu"),
        helper.make_node("Conv", ["a1", "w2", "b2"], ["s2"], "block_second", **settings),
        helper.make_node("Add", ["a0", "s2"], ["s3"], "block_add"),
        helper.make_node("Relu", ["s3"], ["a3"], "block_out"),
        helper.make_node("GlobalAveragePool", ["a3"], ["mean"], "average"),
        helper.make_node("Flatten", ["mean"], ["flat"], "flatten"),
        helper.make_node("Gemm", ["flat", "w", "b"], ["y"], "classifier", transB=1),
    ]
    return model(nodes, constants, ("batch", 1, size, size), opset=opset)


def loaded(onnx_model: onnx.ModelProto, **settings) -> Network:
    """The model as a `Network`, through bytes, as a file would come."""
    return load(onnx_model.SerializeToString(), **settings)
