import networks
import numpy as np
import pytest
from onnx import helper

from attribution.settings import digits, query
from verixplain.attribution.full_grad import HANDLINGS, FullGrad
from verixplain.attribution.gradient_times_input import GradientTimesInput
from verixplain.errors import SettingError, UnsupportedMethodError


@pytest.mark.parametrize("quantity", ["class", "margin"])
@pytest.mark.parametrize("activation", ["Relu", "Tanh", "Softplus", "LeakyRelu"])
def test_input_and_biases_add_up_to_the_number(activation, quantity):
    of = networks.loaded(networks.cnn(activation=activation))
    x = np.random.default_rng(0).normal(size=of.input_shape).astype("f4")
    found = FullGrad(quantity=quantity).explain(query(of, x, 1))
    assert abs(found.arrays["completeness_delta"]) < 1e-9


def test_the_effective_bias_of_batch_normalization_counts():
    rng = np.random.default_rng(0)
    constants = {
        "w": rng.normal(size=(2, 1, 3, 3)).astype("f4"),
        "gain": np.array([1.5, 0.5], "f4"), "bias": np.array([0.2, -0.1], "f4"),
        "mean": np.array([0.3, -0.4], "f4"), "var": np.array([0.5, 2.0], "f4"),
        "v": rng.normal(size=(2, 72)).astype("f4"),
    }  # fmt: skip
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], "conv", kernel_shape=[3, 3], pads=[1] * 4),
        helper.make_node("BatchNormalization", ["c", "gain", "bias", "mean", "var"], ["n"], "bn"),
        helper.make_node("Relu", ["n"], ["r"], "relu"),
        helper.make_node("Flatten", ["r"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "v"], ["y"], "classifier", transB=1),
    ]
    of = networks.loaded(networks.model(nodes, constants, ("batch", 1, 6, 6)))
    x = rng.normal(size=of.input_shape).astype("f4")
    found = FullGrad(handling="signed").explain(query(of, x, 0))
    assert abs(found.arrays["completeness_delta"]) < 1e-9
    # at full size nothing is spread, so the map holds everything
    assert found.map.sum() == pytest.approx(of(x[None])[0, 0], rel=1e-4)


def test_without_biases_the_signed_map_is_gradient_times_input():
    model = networks.cnn()
    for tensor in model.graph.initializer:
        if tensor.name.startswith("b"):
            tensor.raw_data = b"\0" * len(tensor.raw_data)
    of = networks.loaded(model)
    x = np.random.default_rng(0).normal(size=of.input_shape).astype("f4")
    asked = query(of, x, 1)
    found = FullGrad(handling="signed").explain(asked).map
    np.testing.assert_allclose(found, GradientTimesInput().explain(asked).map, atol=1e-12)


@pytest.mark.parametrize("handling", [one for one in HANDLINGS if one != "signed"])
def test_every_other_handling_is_never_negative(handling):
    of, x = digits()
    found = FullGrad(handling=handling).explain(query(of, x[0])).map
    assert (found >= 0).all()
    assert found.any()


def test_the_absolute_map_is_as_published():
    """The input's share alone, where no layer has a bias, is stretched to [0, 1]."""
    model = networks.cnn()
    for tensor in model.graph.initializer:
        if tensor.name.startswith("b"):
            tensor.raw_data = b"\0" * len(tensor.raw_data)
    of = networks.loaded(model)
    x = np.random.default_rng(0).normal(size=of.input_shape).astype("f4")
    share = np.abs(GradientTimesInput().explain(query(of, x, 1)).map)
    expected = (share - share.min()) / (share.max() - share.min())
    np.testing.assert_allclose(FullGrad().explain(query(of, x, 1)).map, expected, atol=1e-9)


def test_products_of_varying_values_are_refused():
    nodes = [
        helper.make_node("Mul", ["x", "x"], ["s"], "square"),
        helper.make_node("Flatten", ["s"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "w"], ["y"], "classifier", transB=1),
    ]
    constants = {"w": np.ones((2, 36), "f4")}
    of = networks.loaded(networks.model(nodes, constants, ("batch", 1, 6, 6)))
    with pytest.raises(UnsupportedMethodError, match="neither affine nor"):
        FullGrad().explain(query(of, np.ones((1, 6, 6), "f4"), 0))


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(SettingError, match="no handling"):
        FullGrad(handling="neg")
    of, x = digits()
    with pytest.raises(UnsupportedMethodError, match="not the probability"):
        FullGrad(quantity="probability").explain(query(of, x[0]))
