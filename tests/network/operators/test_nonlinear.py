"""What ONNX's specification leaves unclear, or says differently from one opset to the next."""

import numpy as np
import pytest
import torch
from networks import loaded, model
from onnx import helper

from verixplain.errors import UnsupportedOperatorError
from verixplain.network.primitives import ScaleShift

node = helper.make_node
RNG = np.random.default_rng(0)


def one(operator, *constants, shape=("batch", 2, 3), opset=18, place=0, **attributes):
    """A network of one node; `place` is where its input stands among the constants."""
    named = {f"c{k}": np.asarray(c) for k, c in enumerate(constants)}
    inputs = list(named)
    inputs.insert(place, "x")
    nodes = [
        node(operator, inputs, ["s"], "node", **attributes),
        # A last Softmax would be stripped.
        node("LeakyRelu", ["s"], ["y"], "last", alpha=0.5),
    ]
    return loaded(model(nodes, named, shape, output_rank=len(shape), opset=opset))


def agrees(network, scale=3.0):
    """ONNX Runtime, the torch module on a batch, and the primitives say the same."""
    x = RNG.normal(0, scale, (5, *network.input_shape)).astype("f4")
    theirs = network.run_onnx(x)
    np.testing.assert_allclose(network(x), theirs, rtol=1e-5, atol=1e-5)
    lowered = network.plan.run(torch.from_numpy(x).double())[network.plan.output]
    np.testing.assert_allclose(lowered.reshape(5, -1), theirs, rtol=1e-5, atol=1e-5)
    return network(x)


@pytest.mark.parametrize("operator", ["Softmax", "LogSoftmax"])
@pytest.mark.parametrize("axis", [None, 1, 2, -1])
@pytest.mark.parametrize("opset", [9, 11, 13])
def test_softmax_changed_its_meaning_at_opset_13(operator, axis, opset):
    if axis == -1 and opset == 9:
        pytest.skip("negative axes came with opset 11")
    settings = {} if axis is None else {"axis": axis}
    network = one(operator, opset=opset, **settings)
    sums = agrees(network).reshape(5, 2, 3)
    flattened = opset < 13 and axis in (None, 1)
    if operator == "Softmax":
        total = sums.sum((1, 2)) if flattened else sums.sum({1: 1}.get(axis, 2))
        np.testing.assert_allclose(total, 1, rtol=1e-5)


@pytest.mark.parametrize("width", [50.0, 700.0])
def test_softmax_of_wide_logits_does_not_lose_its_ends(width):
    network = one("Softmax", shape=("batch", 3))
    x = torch.tensor([[width, 0.0, -width], [0.0, width, width]], dtype=torch.float64)
    lowered = network.plan.run(x)[network.plan.output]
    torch.testing.assert_close(lowered, torch.softmax(x, 1), rtol=1e-12, atol=0)


@pytest.mark.parametrize("opset", [11, 13])
def test_softmax_over_the_batch_has_no_bounds(opset):
    network = one("Softmax", axis=0, opset=opset)
    assert "axis is the batch" in network.unbatchable
    with pytest.raises(UnsupportedOperatorError, match=r"'node'.*axis is the batch"):
        _ = network.plan
    x = RNG.normal(size=(3, 2, 3)).astype("f4")  # each still as if it were alone
    np.testing.assert_allclose(network(x), network.run_onnx(x), rtol=1e-6)


def test_clip_has_attributes_then_inputs():
    agrees(one("Clip", opset=9, min=-1.0, max=0.5))
    agrees(one("Clip", opset=9, max=0.5))
    agrees(one("Clip", opset=9))
    agrees(one("Clip", np.float32(-1), np.float32(0.5), opset=12))
    agrees(one("Clip", np.float32(0.5), opset=12))


def test_crossed_limits_of_clip_give_the_upper_one():
    network = one("Clip", np.float32(2), np.float32(1))
    np.testing.assert_array_equal(agrees(network), 1)


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 4])
def test_powers_of_any_number(exponent):
    agrees(one("Pow", np.float32(exponent)))
    agrees(one("Pow", np.full((1, 2, 1), exponent, np.int64)))


@pytest.mark.parametrize("exponent", [0.5, 1.5, -1, -2, -0.5])
def test_powers_of_positive_numbers(exponent):
    named = {"p": np.float32(exponent)}
    nodes = [node("Exp", ["x"], ["e"]), node("Pow", ["e", "p"], ["y"])]
    agrees(loaded(model(nodes, named)), scale=1.0)


def test_several_exponents_have_no_bounds():
    network = one("Pow", np.array([1, 2, 3], "f4"))
    with pytest.raises(UnsupportedOperatorError, match=r"'node'.*exponent"):
        _ = network.plan
    assert one("Pow", np.array([2], "f4"), place=1).parity.agrees  # 2 ** x


@pytest.mark.parametrize("operator", ["Max", "Min"])
def test_extremes_of_inputs_and_constants(operator):
    agrees(one(operator))
    agrees(one(operator, np.float32(0.3)))
    agrees(one(operator, RNG.normal(size=(2, 1)).astype("f4"), np.float32(0.1)))
    wider = one(operator, RNG.normal(size=(4, 3)).astype("f4"), shape=("batch", 1, 3))
    agrees(wider)
    for step in wider.plan.steps:  # the linear part alone has the shape of the whole
        if isinstance(step.kind, ScaleShift):
            x = torch.zeros(2, *wider.plan.shapes[step.inputs[0]], dtype=torch.float64)
            assert step.kind.linear(x).shape == step.kind(x).shape
    nodes = [node("Tanh", ["x"], ["t"]), node(operator, ["x", "t", "c"], ["y"])]
    agrees(loaded(model(nodes, {"c": np.float32(-0.2)})))


def test_a_constant_for_every_sample_is_no_batch():
    network = one("Max", np.zeros((2, 2, 3), "f4"))
    assert "an entry per sample" in network.unbatchable
    assert network.outputs == 12
    x = RNG.normal(size=(3, 2, 3)).astype("f4")
    np.testing.assert_array_equal(network(x), network.run_onnx(x))
    assert "dimensions" in one("Max", np.zeros((1, 2, 2, 3), "f4")).unbatchable


@pytest.mark.parametrize("slope", [0.25, -0.25, 1.5])
def test_slopes_of_leaky_units(slope):
    agrees(one("LeakyRelu", alpha=slope))
    agrees(one("PRelu", np.array([slope], "f4")))
    agrees(one("PRelu", np.array([[slope], [1.0]], "f4")))  # per channel
    agrees(one("PRelu", np.array([slope, 0, -1], "f4")))  # along the last dimension
    agrees(one("Elu", alpha=slope))
    with pytest.raises(UnsupportedOperatorError, match="slope of shape"):
        one("PRelu", np.ones((2, 2, 3), "f4"))


def test_where_selects():
    condition = np.array([[True, False, True]])
    agrees(one("Where", condition, np.float32(7), place=1))
    agrees(one("Where", condition, np.float32(7), place=2))
    nodes = [node("Tanh", ["x"], ["t"]), node("Where", ["c", "x", "t"], ["y"])]
    agrees(loaded(model(nodes, {"c": np.array([True, False, True, False])})))


@pytest.mark.parametrize("operator", ["Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Equal"])
def test_a_condition_that_varies_runs_and_has_no_bounds(operator):
    nodes = [node(operator, ["x", "z"], ["c"], "cond"), node("Where", ["c", "x", "z"], ["y"])]
    network = loaded(model(nodes, {"z": np.float32(0.5)}))
    assert network.unbatchable is None
    x = np.array([[0.0, 0.5, 1.0, -1.0], [2.0, 0.5, 0.4, 0.6]], "f4")
    np.testing.assert_array_equal(network(x), network.run_onnx(x))
    with pytest.raises(UnsupportedOperatorError, match=r"'cond'.*no bounds"):
        _ = network.plan


@pytest.mark.parametrize("axis", [-1, 1])
def test_layer_normalization(axis):
    over = (2, 3) if axis == 1 else (3,)
    scale, bias = RNG.normal(size=(2, *over)).astype("f4")
    agrees(one("LayerNormalization", scale, bias, axis=axis))
    agrees(one("LayerNormalization", scale, axis=axis, epsilon=0.1))
    assert (
        "over the batch" in one("LayerNormalization", np.ones((1, 2, 3), "f4"), axis=0).unbatchable
    )


def test_the_other_outputs_of_layer_normalization():
    nodes = [
        node("LayerNormalization", ["x", "s"], ["n", "mean", "inverse"]),
        node("Sum", ["n", "mean", "inverse"], ["y"]),
    ]
    agrees(loaded(model(nodes, {"s": np.ones(4, "f4")})))


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_both_gelus(approximate):
    agrees(one("Gelu", opset=20, approximate=approximate))


@pytest.mark.parametrize(
    ("operator", "opset", "settings"),
    [
        ("Abs", 13, {}),
        ("Celu", 12, {"alpha": 0.3}),
        ("Erf", 13, {}),
        ("HardSigmoid", 9, {"alpha": -0.3, "beta": 0.1}),
        ("HardSwish", 14, {}),
        ("Mish", 18, {}),
        ("Selu", 9, {}),
        ("Selu", 9, {"alpha": 1.1, "gamma": 2.0}),
        ("Softplus", 9, {}),
        ("Softsign", 9, {}),
        ("ThresholdedRelu", 10, {"alpha": 0.0}),
    ],
)
def test_units_with_settings(operator, opset, settings):
    agrees(one(operator, opset=opset, **settings))


def test_no_bounds_where_a_function_jumps():
    network = one("ThresholdedRelu", opset=10, alpha=0.5)
    with pytest.raises(UnsupportedOperatorError, match=r"'node'.*jumps"):
        _ = network.plan


def test_swish_of_opset_24():
    agrees(one("Swish", opset=24, alpha=1.7))
