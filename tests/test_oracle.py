"""The oracle is held against itself, against corners, and against numbers worked out by hand."""

from fractions import Fraction

import numpy as np
import oracle
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import cnn, loaded, mlp, model
from onnx import helper

from verixplain.query import Box, Target


def leaky_sum():
    """`leaky(2 x1 - x2) + relu(x1 + x2)` with a slope of 0.25 left of 0."""
    constants = {
        "a": np.array([[2.0], [-1.0]], "f4"),
        "b": np.array([[1.0], [1.0]], "f4"),
    }
    nodes = [
        helper.make_node("MatMul", ["x", "a"], ["s"], "first"),
        helper.make_node("LeakyRelu", ["s"], ["p"], "leaky", alpha=0.25),
        helper.make_node("MatMul", ["x", "b"], ["t"], "second"),
        helper.make_node("Relu", ["t"], ["q"], "relu"),
        helper.make_node("Add", ["p", "q"], ["y"], "sum"),
    ]
    return loaded(model(nodes, constants, ("batch", 2)))


def test_exact_rows_are_what_a_hand_works_out():
    network, row = leaky_sum(), Target.rows([[3.0]], [0.5])
    assert oracle.exact_rows(network, np.array([0.1, 1.0])) == [
        (2 * Fraction(0.1) - 1) / 4 + Fraction(0.1) + 1
    ]
    assert oracle.exact_rows(network, np.array([-1.0, 0.5]), row) == [
        3 * (Fraction(-5, 2) / 4 + 0) + Fraction(1, 2)
    ]


def test_an_average_of_nine_is_divided_by_nine_exactly():
    nodes = [
        helper.make_node("AveragePool", ["x"], ["p"], "mean", kernel_shape=[3, 3]),
        helper.make_node("Flatten", ["p"], ["y"], "flatten"),
    ]
    network = loaded(model(nodes, {}, ("batch", 1, 3, 3)))
    point = np.linspace(0.1, 0.9, 9).reshape(1, 3, 3)
    expected = sum(Fraction(float(x)) for x in point.ravel()) / 9
    assert oracle.exact_rows(network, point) == [expected]


@pytest.mark.parametrize(
    "name",
    [
        *["mlp-relu", "mlp-leaky", "cnn", "residual", "maxpool-apart", "maxpool-overlapping"],
        *["averagepool", "product"],
    ],
)
def test_exact_rows_are_close_to_a_float64_run_of_the_onnx_nodes(name):
    from laws.small import center, network

    of = network(name)
    for seed in range(3):
        point = center(of, seed) - 0.5
        with torch.no_grad():
            expected = of.forward(torch.tensor(point[None]))[0].numpy()
        found = [float(y) for y in oracle.exact_rows(of, point)]
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)


def test_what_is_no_rational_is_refused():
    network = loaded(mlp((2, 3, 2), "Sigmoid"))
    assert not oracle.is_exact(network)
    with pytest.raises(oracle.NotExactError, match="sigmoid"):
        oracle.exact_rows(network, np.zeros(2))


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    radius=st.sampled_from([0.0, 0.05, 0.3, 1.0]),
    activation=st.sampled_from(["Relu", "LeakyRelu"]),
    frozen=st.sets(st.integers(0, 2)),
)
def test_the_two_routes_agree(seed, radius, activation, frozen):
    network = loaded(mlp((3, 4, 3, 3), activation, seed=seed))
    center = np.random.default_rng(seed).uniform(-1, 1, 3).astype("f4").astype(float)
    box, target = Box.around(center, radius), Target.label(seed % 3)
    one = oracle.by_patterns(network, box, target, sorted(frozen))
    two = oracle.by_integers(network, box, target, sorted(frozen))
    assert one.value == pytest.approx(two.value, abs=1e-6)
    for found in (one, two):
        assert box.freeze(np.array(sorted(frozen), dtype=int)).contains(found.point)
        assert float(found.exact) == pytest.approx(found.value, abs=1e-6)
        assert oracle.exact_rows(network, found.point, target)[found.row] == found.exact


@pytest.mark.parametrize("stride", [1, 2])
def test_the_two_routes_agree_on_max_pooling(stride):
    rng = np.random.default_rng(stride)
    constants = {"w": rng.normal(size=(2, 4)).astype("f4")}
    pool = {"kernel_shape": [2, 2], "strides": [stride, stride]}
    nodes = [
        helper.make_node("MaxPool", ["x"], ["m"], "pool", **pool),
        helper.make_node("Flatten", ["m"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "w"], ["y"], "out", transB=1),
    ]
    network = loaded(model(nodes, constants, ("batch", 1, 2 + stride, 2 + stride)))
    center = rng.uniform(size=network.input_shape).astype("f4").astype(float)
    box, target = Box.around(center, 0.1), Target.label(0)
    one = oracle.by_patterns(network, box, target)
    two = oracle.by_integers(network, box, target)
    assert one.value == pytest.approx(two.value, abs=1e-6)
    for seed in range(50):
        point = np.random.default_rng(seed).uniform(box.lower, box.upper)
        assert float(oracle.exact_overlap(network, point, target)) <= one.value + 1e-9


@pytest.mark.parametrize("seed", range(6))
def test_no_sampled_point_lies_above_the_optimum(seed):
    network = loaded(cnn(size=4, seed=seed))
    rng = np.random.default_rng(seed)
    center = rng.uniform(size=network.input_shape).astype("f4").astype(float)
    box, target = Box.around(center, 0.2), Target.label(seed % 3)
    found = oracle.by_integers(network, box, target)
    for point in [*rng.uniform(box.lower, box.upper, (30, *center.shape)), *oracle.corners(box)]:
        assert float(oracle.exact_overlap(network, point, target)) <= found.value + 1e-6


@pytest.mark.parametrize("seed", range(4))
def test_a_monotone_network_has_its_optimum_in_the_corner(seed):
    rng = np.random.default_rng(seed)
    weights = {f"w{k}": np.abs(rng.normal(size=(3, 3))).astype("f4") for k in range(2)}
    nodes = [
        helper.make_node("MatMul", ["x", "w0"], ["s"], "first"),
        helper.make_node("Relu", ["s"], ["a"], "relu"),
        helper.make_node("MatMul", ["a", "w1"], ["y"], "second"),
    ]
    network = loaded(model(nodes, weights, ("batch", 3)))
    box = Box.around(rng.uniform(-0.2, 0.2, 3).astype("f4").astype(float), 0.5)
    target = Target.rows([[1.0, 2.0, 0.5]])
    best = max(oracle.exact_overlap(network, point, target) for point in oracle.corners(box))
    assert best == oracle.exact_overlap(network, box.upper, target)
    for route in (oracle.by_patterns, oracle.by_integers):
        assert float(best) == pytest.approx(route(network, box, target).value, abs=1e-7)
    held = oracle.by_patterns(network, box, target, [1])
    end = box.upper.copy()
    end[1] = box.center[1]
    assert held.exact <= oracle.exact_overlap(network, end, target)
    assert held.value == pytest.approx(float(oracle.exact_overlap(network, end, target)), abs=1e-7)


def test_too_large_a_question_is_refused():
    network = loaded(mlp((4, 20, 20, 3)))
    with pytest.raises(RuntimeError, match="too many unstable"):
        oracle.by_patterns(network, Box.around(np.zeros(4), 5.0), Target.label(0))
    with pytest.raises(RuntimeError, match="too many unstable"):
        oracle.by_integers(network, Box.around(np.zeros(4), 5.0), Target.label(0))
