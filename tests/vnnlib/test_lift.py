"""Models without a batch dimension: with one in front they compute the same."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from verixplain.vnnlib.deadline import Deadline
from verixplain.vnnlib.exact import exactly
from verixplain.vnnlib.lift import lifted
from verixplain.vnnlib.model import load_for
from verixplain.vnnlib.parse import parse
from verixplain.vnnlib.solve import solve

RNG = np.random.default_rng(0)


def graph(shape, nodes, constants=None, opset=18):
    made = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(a), n) for n, a in (constants or {}).items()],
    )
    made = helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    return onnx.shape_inference.infer_shapes(made)


def node(operator, *inputs, output="y", **attributes):
    return helper.make_node(operator, list(inputs), [output], f"{operator}_{output}", **attributes)


INTS = np.array
CASES = {
    "add a matrix": ([2], [node("Add", "x", "c")], {"c": RNG.normal(size=(3, 2)).astype("f4")}),
    "transpose": ([2, 3], [node("Transpose", "x", perm=[1, 0])], {}),
    "transpose all": ([2, 3, 4], [node("Transpose", "x")], {}),
    "reshape": ([2, 3], [node("Reshape", "x", "s")], {"s": INTS([3, -1])}),
    "flatten": ([2, 3, 2], [node("Flatten", "x", axis=2)], {}),
    "unsqueeze": ([3], [node("Unsqueeze", "x", "a")], {"a": INTS([0, 2])}),
    "squeeze": ([3, 1], [node("Squeeze", "x", "a")], {"a": INTS([1])}),
    "concat": ([2], [node("Concat", "x", "c", axis=0)], {"c": INTS([5.0], dtype="f4")}),
    "softmax": ([4], [node("Softmax", "x", axis=0)], {}),
    "gather": ([4, 2], [node("Gather", "x", "i", axis=0)], {"i": INTS([3, 0])}),
    "slice": ([5, 3], [node("Slice", "x", "b", "e")], {"b": INTS([1, 0]), "e": INTS([4, 2])}),
    "slice back": (
        [5], [node("Slice", "x", "b", "e", "a")],
        {"b": INTS([-3]), "e": INTS([9]), "a": INTS([-1])},
    ),
    "sum": ([2, 3], [node("ReduceSum", "x", keepdims=0)], {}),
    "sum an axis": ([2, 3], [node("ReduceSum", "x", "a", keepdims=0)], {"a": INTS([0])}),
    "mean an axis": ([2, 3], [node("ReduceMean", "x", "a", keepdims=1)], {"a": INTS([-1])}),
    "sum nothing": (
        [2], [node("ReduceSum", "x", "a", noop_with_empty_axes=1)],
        {"a": INTS([], dtype="i8")},
    ),
    "matmul": ([3], [node("MatMul", "x", "w")], {"w": RNG.normal(size=(3, 2)).astype("f4")}),
    "expand": ([2, 1], [node("Expand", "x", "s")], {"s": INTS([3, 2, 2])}),
    "shape": (
        [2, 3], [node("Shape", "x", output="s"), node("Reshape", "x", "s")], {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_with_a_batch_it_computes_the_same(name):
    import onnxruntime

    shape, nodes, constants = CASES[name]
    before = graph(shape, nodes, constants)
    after = lifted(before)
    assert after is not None
    onnx.checker.check_model(after)
    point = RNG.normal(size=shape).astype("f4")
    sessions = [onnxruntime.InferenceSession(m.SerializeToString()) for m in (before, after)]
    plain, batched = (
        s.run(None, {"x": p})[0] for s, p in zip(sessions, (point, point[None]), strict=True)
    )
    np.testing.assert_allclose(batched[0], plain, rtol=1e-6)
    assert batched.shape == (1, *plain.shape)


@pytest.mark.parametrize(
    "nodes",
    [
        [node("LRN", "x", size=3)],
        [node("MatMul", "x", "x")],
        [node("Gather", "c", "x", axis=0)],
    ],
)
def test_what_is_not_known_to_be_right_is_left_alone(nodes):
    assert lifted(graph([2, 2], nodes, {"c": np.ones((2, 2), "f4")})) is None


def test_a_query_about_a_model_without_a_batch(tmp_path):
    onnx.save(graph([2], [node("Relu", "x")]), tmp_path / "m.onnx")
    text = (
        "(vnnlib-version <2.0>)(declare-network N (declare-input X real [2])"
        "(declare-output Y real [2]))"
        "(assert (and (>= X[0] -3) (<= X[0] 0) (>= X[1] 1) (<= X[1] 2)))(assert CONDITION)"
    )
    for condition, verdict in (
        ("(>= Y[0] 0.5)", "unsat"),
        ("(<= Y[0] 0.0)", "sat"),  # exactly 0: no interval with rounding can tell
        ("(== Y[0] 0.0)", "sat"),
        ("(< Y[0] -0.001)", "unsat"),
    ):
        specification = parse(text.replace("CONDITION", condition))
        network = load_for(specification, tmp_path / "m.onnx")
        assert network.input_shape == (2,)
        assert solve(specification, network, Deadline(20)).verdict == verdict, condition


def test_exact_numbers_are_those_of_the_network(tmp_path):
    from fractions import Fraction

    from networks import loaded, mlp

    network = loaded(mlp((4, 8, 3)))
    point = RNG.normal(size=4).astype("f4")
    found = exactly(network, tuple(Fraction(float(v)) for v in point))
    np.testing.assert_allclose([float(v) for v in found], network(point[None])[0], rtol=1e-5)
    assert exactly(loaded(mlp((4, 8, 3), activation="Tanh")), (Fraction(0),) * 4) is None
