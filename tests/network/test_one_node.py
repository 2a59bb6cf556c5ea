"""Small models of linear, shape and pooling operators, against ONNX Runtime and by definition."""

from math import prod

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

import verixplain.network as loader
from verixplain.errors import ModelFormatError, UnsupportedOperatorError
from verixplain.network.primitives import Affine

DRAW = np.random.default_rng(7)


def w(*shape: int) -> np.ndarray:
    """Weights: a random float32 array."""
    return DRAW.uniform(-1, 1, shape).astype(np.float32)


def i(*numbers: int) -> np.ndarray:
    """A list of integers, as shapes and axes are given."""
    return np.array(numbers, dtype=np.int64)


def f(*numbers: float) -> np.ndarray:
    return np.array(numbers, dtype=np.float32)


def model(shape: tuple[int, ...], *nodes: tuple, opset: int = 13) -> bytes:
    """Nodes (operator, inputs, attributes) in a row; inputs are arrays, "x", or "n0", "n1", ...

    An operator with several outputs names them in the attribute `outputs`.
    """
    made, constants = [], []
    for number, (operator, inputs, attributes) in enumerate(nodes):
        attributes = dict(attributes)
        outputs = attributes.pop("outputs", [f"n{number}"])
        names = []
        for value in inputs:
            if not isinstance(value, str):
                constants.append(numpy_helper.from_array(np.asarray(value), f"c{len(constants)}"))
                value = constants[-1].name
            names.append(value)
        made.append(helper.make_node(operator, names, outputs, **attributes))
    graph = helper.make_graph(
        made,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ("batch", *shape))],
        [helper.make_tensor_value_info(made[-1].output[0], TensorProto.FLOAT, None)],
        constants,
    )
    imports = [helper.make_opsetid("", opset)]
    built = helper.make_model(graph, opset_imports=imports, ir_version=8)
    return onnx.shape_inference.infer_shapes(built).SerializeToString()  # of the output


def one(operator: str, shape: tuple[int, ...], *inputs, opset: int = 13, **attributes) -> bytes:
    """One node whose first input is the network's."""
    return model(shape, (operator, ["x", *inputs], attributes), opset=opset)


def last(operator: str, shape: tuple[int, ...], constant: np.ndarray) -> bytes:
    """One node whose second input is the network's."""
    return model(shape, (operator, [constant, "x"], {}))


IMAGE, ROW, PLANE = (2, 5, 6), (6,), (3, 4)

SERVED = {
    "add a vector": one("Add", ROW, w(6)),
    "add a scalar": one("Add", ROW, w()),
    "add and grow": one("Add", (1, 5), w(3, 1)),
    "add more dimensions": one("Add", ROW, w(1, 3, 6)),
    "add two of different ranks": model(
        ROW,
        ("Unsqueeze", ["x", i(1)], {}),
        ("Mul", ["n0", w(1, 2, 1)], {}),
        ("Add", ["n1", "x"], {}),
    ),
    "add itself": one("Add", ROW, "x"),
    "subtract": one("Sub", IMAGE, w(2, 1, 1)),
    "subtract from": last("Sub", IMAGE, w(1, 2, 5, 6)),
    "subtract two": model(ROW, ("Mul", ["x", f(3)], {}), ("Sub", ["x", "n0"], {})),
    "multiply": one("Mul", (4, 1), w(1, 1, 3)),
    "multiply from": last("Mul", PLANE, w(4)),
    "multiply two": model(ROW, ("Add", ["x", f(1)], {}), ("Mul", ["x", "n0"], {})),
    "divide": one("Div", PLANE, f(2, -3, 0.1, 7)),
    "divide by what varies": model(ROW, ("Add", ["x", f(3)], {}), ("Div", ["x", "n0"], {})),
    "divide a constant": model((1, 4), ("Add", ["x", f(3)], {}), ("Div", [w(2, 1), "n0"], {})),
    "negate": one("Neg", PLANE),
    "sum": one("Sum", PLANE, w(4), "x", w(3, 1)),
    "sum that grows": model(
        (1, 4), ("Neg", ["x"], {}), ("Sum", ["x", "n0", w(3, 1), w(2, 1, 1, 1)[:1]], {})
    ),
    "sum of one": one("Sum", ROW),
    "identity": one("Identity", ROW),
    "dropout": one("Dropout", ROW, f(0.3)[0]),
    "old dropout": one("Dropout", ROW, opset=7, ratio=0.4),
    "dropout with its mask": one("Dropout", ROW, outputs=["n0", "mask"]),
    "cast to its own type": one("Cast", ROW, to=TensorProto.FLOAT),
    "normalise images": one("BatchNormalization", IMAGE, w(2), w(2), w(2), f(0.1, 3)),
    "normalise rows": one("BatchNormalization", ROW, w(6), w(6), w(6), w(6) ** 2, epsilon=0.01),
    "normalise sequences": one("BatchNormalization", PLANE, w(3), w(3), w(3), w(3) ** 2, opset=9),
    "normalise volumes": one("BatchNormalization", (2, 2, 2, 2), w(2), w(2), w(2), f(1, 2)),
    "conv": one("Conv", IMAGE, w(3, 2, 3, 3), w(3)),
    "conv 1d": one("Conv", (2, 7), w(3, 2, 3), dilations=[2], pads=[1, 1]),
    "conv 3d": one("Conv", (1, 3, 4, 3), w(2, 1, 2, 2, 2), w(2), strides=[1, 2, 1]),
    "conv in groups": one("Conv", (4, 4, 4), w(6, 2, 3, 3), group=2, strides=[2, 1]),
    "conv, pads differ": one("Conv", IMAGE, w(3, 2, 3, 2), w(3), pads=[2, 0, 1, 1], strides=[2, 2]),
    "conv, same upper": one("Conv", IMAGE, w(1, 2, 2, 3), auto_pad="SAME_UPPER", strides=[2, 2]),
    "conv, same lower": one("Conv", IMAGE, w(1, 2, 2, 3), auto_pad="SAME_LOWER", strides=[1, 2]),
    "conv, valid": one("Conv", IMAGE, w(1, 2, 2, 3), auto_pad="VALID"),
    "transposed conv": one("ConvTranspose", IMAGE, w(2, 3, 3, 2), w(3), strides=[2, 1]),
    "transposed conv, pads differ": one(
        "ConvTranspose", IMAGE, w(2, 1, 3, 3), w(1), pads=[1, 0, 0, 2], strides=[2, 2]
    ),
    "transposed conv, output_padding": one(
        "ConvTranspose", IMAGE, w(2, 1, 3, 3), w(1), output_padding=[1, 1], strides=[2, 3]
    ),
    "transposed conv, output_shape": one(
        "ConvTranspose", IMAGE, w(2, 1, 3, 3), w(1), output_shape=[10, 11], strides=[2, 2]
    ),
    "transposed conv, larger output_shape": one(
        "ConvTranspose", IMAGE, w(2, 1, 3, 3), w(1), output_shape=[12, 13], strides=[2, 2]
    ),
    "transposed conv, same upper": one(
        "ConvTranspose", IMAGE, w(2, 1, 3, 3), auto_pad="SAME_UPPER", strides=[2, 2]
    ),
    "transposed conv, same lower": one(
        "ConvTranspose", IMAGE, w(2, 1, 3, 3), auto_pad="SAME_LOWER", strides=[2, 2]
    ),
    "transposed conv in groups": one(
        "ConvTranspose", (4, 5), w(4, 3, 3), w(6), group=2, dilations=[2]
    ),
    "matmul": one("MatMul", ROW, w(6, 4)),
    "matmul in three dimensions": one("MatMul", PLANE, w(4, 5)),
    "matmul by a vector": one("MatMul", PLANE, w(4)),
    "matmul by many": one("MatMul", (2, 3, 4), w(2, 4, 2)),
    "matmul by many with a batch": one("MatMul", (2, 3, 4), w(1, 2, 4, 2)),
    "matmul from the left": last("MatMul", PLANE, w(2, 3)),
    "matmul from the left by a vector": last("MatMul", PLANE, w(3)),
    "matmul of two": model(
        PLANE, ("Transpose", ["x"], {"perm": [0, 2, 1]}), ("MatMul", ["x", "n0"], {})
    ),
    "flatten": one("Flatten", PLANE),
    "flatten later": one("Flatten", (1, 2, 3), axis=2),
    "flatten all": one("Flatten", PLANE, axis=0),
    "reshape": one("Reshape", IMAGE, i(0, -1, 3)),
    "reshape to one row": one("Reshape", IMAGE, i(1, 60)),
    "transpose": one("Transpose", IMAGE, perm=[0, 2, 3, 1]),
    "transpose with a 1 in front": one("Transpose", (1, 4), perm=[1, 0, 2]),
    "squeeze": one("Squeeze", (1, 4), i(1)),
    "old squeeze": one("Squeeze", (1, 4, 1), axes=[-1], opset=11),
    "squeeze the batch": one("Squeeze", (1, 4), i(0)),
    "unsqueeze": one("Unsqueeze", PLANE, i(1, -1)),
    "old unsqueeze": one("Unsqueeze", PLANE, axes=[0], opset=11),
    "slice": one("Slice", IMAGE, i(1, -3), i(9, 2**60), i(2, 3)),
    "slice with steps": one("Slice", IMAGE, i(0, 4, 5), i(1, 0, -9), i(0, 2, 3), i(1, -2, -1)),
    "old slice": one("Slice", IMAGE, starts=[0, 1], ends=[1, 2], axes=[0, 1], opset=9),
    "gather": one("Gather", PLANE, i(2, 0, -1), axis=1),
    "gather a scalar": one("Gather", PLANE, np.array(1, dtype=np.int64), axis=2),
    "gather a table": one("Gather", PLANE, i(1, 0, 3, 3).reshape(2, 2), axis=-1),
    "gather the batch": one("Gather", PLANE, i(0, 0).reshape(1, 2), axis=0),
    "concat": one("Concat", PLANE, w(1, 2, 4), "x", axis=1),
    "split": model(
        PLANE,
        ("Split", ["x", i(1, 3)], {"axis": 2, "outputs": ["a", "b"]}),
        ("Concat", ["b", "a"], {"axis": -1}),
    ),
    "old split": model(
        PLANE,
        ("Split", ["x"], {"axis": -1, "outputs": ["a", "b"]}),
        ("Sub", ["a", "b"], {}),
        opset=11,
    ),
    "split unevenly": model(
        (5,),
        ("Split", ["x"], {"axis": 1, "num_outputs": 2, "outputs": ["a", "b"]}),
        ("Concat", ["b", "a"], {"axis": -1}),
        opset=18,
    ),
    "expand": one("Expand", (1, 4), i(3, 1)),
    "expand to more dimensions": one("Expand", (3,), i(1, 2, 2, 1)),
    "tile": one("Tile", PLANE, i(1, 2, 3)),
    "pad": one("Pad", IMAGE, i(0, 0, 1, 2, 0, 1, -1, 0), opset=11),
    "pad with a value": one("Pad", PLANE, i(0, 1, -1, 0, 2, 3), f(-2.5)[0]),
    "pad some axes": one("Pad", PLANE, i(1, 2), f(1)[0], i(-1), opset=18),
    "old pad": one("Pad", PLANE, pads=[0, 1, 1, 0, 0, 2], value=0.5, opset=7),
    "pad by reflection": one("Pad", IMAGE, i(0, 0, 1, 2, 0, 0, 4, 0), mode="reflect"),
    "pad with the edge": one("Pad", IMAGE, i(0, 1, 1, 9, 0, 0, 4, 0), mode="edge"),
    "pad around": one("Pad", IMAGE, i(0, 0, 1, 2, 0, 0, 4, 0), mode="wrap", opset=19),
    "mean": one("ReduceMean", IMAGE, axes=[-1, 2], keepdims=0),
    "mean over the batch too": one("ReduceMean", IMAGE, i(0, 2), opset=18),
    "mean over all": one("ReduceMean", IMAGE),
    "mean over nothing": one("ReduceMean", ROW, opset=18, noop_with_empty_axes=1),
    "sum over": one("ReduceSum", IMAGE, i(1, 3), keepdims=0),
    "old sum over": one("ReduceSum", IMAGE, axes=[2], opset=11),
    "max pool": one("MaxPool", (2, 4, 6), kernel_shape=[2, 3], strides=[2, 3]),
    "max pool 1d": one("MaxPool", (2, 8), kernel_shape=[2], strides=[2]),
    "max pool 3d": one("MaxPool", (1, 4, 4, 2), kernel_shape=[2, 2, 2], strides=[2, 1, 2]),
    "max pool with a rest": one("MaxPool", IMAGE, kernel_shape=[2, 2], strides=[2, 2]),
    "max pool with gaps": one("MaxPool", IMAGE, kernel_shape=[2, 1], strides=[3, 2]),
    "max pool that overlaps": one("MaxPool", (2, 7, 7), kernel_shape=[3, 3], strides=[2, 2]),
    "max pool of four": one("MaxPool", IMAGE, kernel_shape=[4, 5]),
    "max pool, padded": one(
        "MaxPool", (2, 6, 7), kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]
    ),
    "max pool, padded apart": one(
        "MaxPool", IMAGE, kernel_shape=[3, 2], strides=[3, 2], pads=[1, 0, 2, 0]
    ),
    "max pool, padded a lot": one("MaxPool", IMAGE, kernel_shape=[3, 3], pads=[2, 2, 2, 2]),
    "max pool, rounded up": one(
        "MaxPool", (2, 6, 6), kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1
    ),
    "max pool, same lower": one(
        "MaxPool", IMAGE, kernel_shape=[2, 2], strides=[1, 2], auto_pad="SAME_LOWER"
    ),
    "max pool, same upper": one(
        "MaxPool", IMAGE, kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER"
    ),
    "max pool, dilated": one("MaxPool", IMAGE, kernel_shape=[2, 2], dilations=[2, 3]),
    "average pool": one("AveragePool", IMAGE, kernel_shape=[2, 3], strides=[1, 2]),
    "average pool 1d": one("AveragePool", (2, 8), kernel_shape=[3], pads=[1, 1]),
    "average pool, padding counted": one(
        "AveragePool", IMAGE, kernel_shape=[3, 2], pads=[1, 0, 1, 1], count_include_pad=1
    ),
    "average pool, rounded up": one(
        "AveragePool", IMAGE, kernel_shape=[2, 2], strides=[2, 4], ceil_mode=1
    ),
    "average pool, rounded up and padded": one(
        "AveragePool",
        (1, 6, 6),
        kernel_shape=[3, 3],
        strides=[2, 2],
        ceil_mode=1,
        pads=[1, 1, 0, 0],
        count_include_pad=1,
        opset=19,
    ),
    "average pool, same upper": one(
        "AveragePool", IMAGE, kernel_shape=[2, 2], auto_pad="SAME_UPPER", strides=[2, 2]
    ),
    "average pool, dilated": one(
        "AveragePool", IMAGE, kernel_shape=[2, 2], dilations=[2, 3], opset=19
    ),
    "global average pool": one("GlobalAveragePool", IMAGE),
    "resize": one("Resize", IMAGE, f(), f(1, 1, 2, 3), mode="nearest"),
    "resize to sizes": one("Resize", IMAGE, "", "", i(1, 2, 10, 3), mode="linear"),
    "resize as torch does": one(
        "Resize",
        IMAGE,
        "",
        f(1, 1, 2, 2),
        mode="linear",
        coordinate_transformation_mode="pytorch_half_pixel",
    ),
    "resize to the corners": one(
        "Resize",
        IMAGE,
        "",
        "",
        i(1, 2, 9, 11),
        mode="linear",
        coordinate_transformation_mode="align_corners",
    ),
    "resize down to the nearest": one(
        "Resize",
        (1, 8, 8),
        "",
        f(1, 1, 0.5, 0.25),
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    ),
    "resize symmetrically": one(
        "Resize",
        (1, 4, 6),
        "",
        f(1, 1, 1.5, 0.75),
        mode="linear",
        coordinate_transformation_mode="half_pixel_symmetric",
        opset=19,
    ),
    "resize some axes": one("Resize", IMAGE, "", f(2.0), opset=18, axes=[-1]),
    "old resize": one("Resize", IMAGE, f(1, 1, 2, 2), mode="linear", opset=10),
    "old resize to the nearest": one("Resize", IMAGE, f(1, 1, 3, 2), opset=10),
    "upsample": one("Upsample", IMAGE, f(1, 1, 2, 3), opset=9),
    "upsample linearly": one("Upsample", IMAGE, f(1, 1, 2, 2), mode="linear", opset=9),
    "old upsample": one("Upsample", IMAGE, scales=[1.0, 1.0, 2.0, 3.0], opset=7),
    "a constant from a shape": model(
        PLANE,
        ("Shape", ["x"], {}),
        ("ConstantOfShape", ["n0"], {"value": numpy_helper.from_array(f(2))}),
        ("Mul", ["x", "n1"], {}),
    ),
}


@pytest.fixture(params=sorted(SERVED))
def network(request):
    return loader.load(SERVED[request.param])


def points(network, count: int = 3) -> np.ndarray:
    shape = (count, *network.input_shape)
    return np.random.default_rng(3).uniform(-1, 1, shape).astype(np.float32)


def test_it_computes_what_onnx_runtime_computes(network):
    found = network.compare(points(network))
    assert found.relative is not None, found.reason
    assert found.relative < 1e-6


def test_a_batch_is_its_members(network):
    assert network.unbatchable is None
    inputs = torch.from_numpy(points(network)).double()
    alone = torch.cat([network.forward(one[None]) for one in inputs])
    torch.testing.assert_close(network.forward(inputs), alone, rtol=1e-13, atol=1e-13)


def test_the_primitives_compute_the_same(network):
    inputs = torch.from_numpy(points(network)).double()
    found = network.plan.run(inputs)[network.plan.output].reshape(len(inputs), -1)
    torch.testing.assert_close(found, network.forward(inputs), rtol=1e-12, atol=1e-12)


def test_every_affine_step_is_its_matrix(network):
    """`linear` is A, `absolute` is |A|, `offset` is the rest, `terms` counts its longest sum."""
    plan, generator = network.plan, torch.Generator().manual_seed(5)
    for step in plan.steps:
        if not isinstance(step.kind, Affine):
            continue
        shapes = [plan.shapes[name] for name in step.inputs]
        sizes = [prod(shape) for shape in shapes]
        columns = torch.eye(sum(sizes), dtype=torch.float64).split(sizes, dim=1)
        unit = [c.reshape(-1, *shape) for c, shape in zip(columns, shapes, strict=True)]
        matrix = step.kind.linear(*unit).reshape(sum(sizes), -1).T
        x = [torch.randn((2, *s), dtype=torch.float64, generator=generator) for s in shapes]
        flat = torch.cat([part.reshape(2, -1) for part in x], dim=1)
        got = step.kind.linear(*x)
        torch.testing.assert_close(got.reshape(2, -1), flat @ matrix.T)
        sizes_only = step.kind.absolute(*[part.abs() for part in x])
        torch.testing.assert_close(sizes_only.reshape(2, -1), flat.abs() @ matrix.abs().T)
        offset = step.kind.offset()
        whole = got if offset is None else got + offset
        torch.testing.assert_close(whole, step.kind(*x))
        longest = int((matrix != 0).sum(1).max())
        assert step.kind.terms >= longest or longest <= 1


MIXED = {
    "reshape": one("Reshape", (4, 3), i(2, 6)),
    "flatten": one("Flatten", (4, 3), axis=2),
    "transpose": one("Transpose", (4, 3), perm=[1, 0, 2]),
    "squeeze all": model((1, 3), ("Squeeze", ["x"], {}), ("Reshape", ["n0", i(1, 3)], {})),
    "squeeze the batch": one("Squeeze", (3, 2), i(0)),
    "add rows": one("Add", (3,), w(2, 1)),
    "add a plane": one("Add", (3,), w(2, 1, 3)),
    "concatenate": one("Concat", (3,), "x", axis=0),
    "gather": one("Gather", (3,), i(0, 0), axis=0),
    "take the one sample": one("Gather", (3,), np.array(0), axis=0),
    "mean over all": one("ReduceMean", (3,), keepdims=0),
    "tile": one("Tile", (3,), i(2, 1)),
    "expand": one("Expand", (3,), i(2, 3)),
    "pad": one("Pad", (3,), i(1, 0, 0, 0)),
    "resize": one("Resize", (3,), "", f(2, 1)),
    "matmul": last("MatMul", (3,), w(2, 1)),
    "matmul by matrices": one("MatMul", (3,), w(2, 3, 2)),
    "matmul with itself": model((3,), ("Transpose", ["x"], {}), ("MatMul", ["n0", "x"], {})),
    "matmul by another for each": one("MatMul", (2, 3), w(4, 3, 2)),
    "there and back": model(
        (4, 3),
        ("Transpose", ["x"], {"perm": [1, 0, 2]}),
        ("Transpose", ["n0"], {"perm": [1, 0, 2]}),
    ),
}


@pytest.mark.parametrize("name", sorted(MIXED))
def test_a_node_that_mixes_samples_is_named_and_runs_one_by_one(name):
    network = loader.load(MIXED[name])
    assert network.unbatchable is not None
    assert "node" in network.unbatchable
    assert network.compare(points(network)).relative < 1e-6
    with pytest.raises(UnsupportedOperatorError, match="without a batch"):
        _ = network.plan


REFUSED = {
    "without any numbers": one("Slice", (3, 4), i(1), i(3), i(1), i(-1)),
    "varies": last("Conv", (2, 3, 3), w(1, 1, 5, 5)),
    "kernel_shape": one("Conv", IMAGE, w(1, 2, 3, 3), kernel_shape=[2, 2]),
    "in 3 groups": one("Conv", IMAGE, w(3, 1, 3, 3), group=3),
    "both auto_pad": one("Conv", IMAGE, w(1, 2, 3, 3), pads=[1] * 4, auto_pad="SAME_UPPER"),
    "output_padding": one("ConvTranspose", IMAGE, w(2, 1, 3, 3), output_padding=[1, 1]),
    "before opset 11": one(
        "ConvTranspose", IMAGE, w(2, 1, 3, 3), output_shape=[10, 12], strides=[2, 2], opset=10
    ),
    "zero": one("Div", ROW, f(0)),
    "training_mode": one("Dropout", ROW, f(0.3)[0], np.array(True)),
    "FLOAT16": model(
        ROW,
        ("Cast", ["x"], {"to": TensorProto.FLOAT16}),
        ("Cast", ["n0"], {"to": TensorProto.FLOAT}),
    ),
    "one float type": model(
        ROW,
        ("Cast", ["x"], {"to": TensorProto.DOUBLE}),
        ("Cast", ["n0"], {"to": TensorProto.FLOAT}),
    ),
    "spatial": one("BatchNormalization", IMAGE, w(2), w(2), w(2), f(1, 1), spatial=0, opset=7),
    "variance": one("BatchNormalization", IMAGE, w(2), w(2), w(2), f(1, -1)),
    "Indices": one("MaxPool", IMAGE, kernel_shape=[2, 2], outputs=["n0", "places"], opset=12),
    "padding alone": one(
        "MaxPool", IMAGE, kernel_shape=[2, 2], dilations=[7, 7], pads=[6, 6, 6, 6]
    ),
    "mode 'cubic'": one("Resize", IMAGE, "", f(1, 1, 2, 2), mode="cubic"),
    "tf_crop_and_resize": one(
        "Resize",
        IMAGE,
        f(0, 0, 0, 0, 1, 1, 1, 1),
        f(1, 1, 2, 2),
        coordinate_transformation_mode="tf_crop_and_resize",
    ),
    "rounded to float32": one("Resize", (1, 1, 10), "", f(1, 1, 1, 0.7)),
    "whole numbers only": one("Resize", IMAGE, f(1, 1, 0.5, 0.5), opset=10),
    "resize by whole": one("Upsample", IMAGE, f(1, 1, 1.3, 1), opset=9),
    "SAME together with dilations": one(
        "AveragePool",
        IMAGE,
        kernel_shape=[2, 2],
        dilations=[2, 2],
        auto_pad="SAME_UPPER",
        opset=19,
    ),
    "skips the end": one("MaxPool", (1, 8), kernel_shape=[1], strides=[4], auto_pad="SAME_UPPER"),
    "do not reach": one("ConvTranspose", (2, 3), w(2, 1, 2), auto_pad="SAME_UPPER", strides=[3]),
    "where rounding matters": one(
        "MaxPool", IMAGE, kernel_shape=[2, 2], strides=[4, 4], ceil_mode=1, auto_pad="VALID"
    ),
    "mode 'reflect'": one("Pad", PLANE, i(0, 0, 9, 0, 0, 0), mode="reflect"),
    "step": one("Slice", ROW, i(-9), i(-99), i(1), i(-1)),
    "outside a dimension": one("Gather", ROW, i(7), axis=1),
    "does not fit": one("Reshape", ROW, i(4, -1)),
}


@pytest.mark.parametrize("message", sorted(REFUSED))
def test_what_is_not_served_is_refused_by_name(message):
    with pytest.raises(UnsupportedOperatorError, match=message) as caught:
        loader.load(REFUSED[message])
    assert "node" in str(caught.value)


def test_a_dilated_padded_max_pool_runs_but_has_no_bounds():
    network = loader.load(
        one("MaxPool", IMAGE, kernel_shape=[2, 2], dilations=[2, 2], pads=[1, 1, 1, 1])
    )
    assert network.compare(points(network)).relative == 0
    with pytest.raises(UnsupportedOperatorError, match="dilations"):
        _ = network.plan


def test_upsample_ended_with_opset_9():
    with pytest.raises((UnsupportedOperatorError, ModelFormatError)):
        loader.load(one("Upsample", IMAGE, f(1, 1, 2, 2), opset=10))


def test_onnx_knows_every_operator_of_the_table():
    operators = {onnx.load_from_string(data).graph.node[0].op_type for data in SERVED.values()}
    assert all(onnx.defs.has(operator) for operator in operators)


def test_constants_before_the_first_weights_are_not_weights():
    network = loader.load(
        model(
            ROW,
            ("Div", ["x", f(255)], {}),
            ("MatMul", ["n0", w(6, 3)], {}),
            ("Add", ["n1", w(3)], {}),
        )
    )
    shapes = [tuple(p.shape) for p in network.module.parameters()]
    assert shapes == [(3, 6), (3,)]
