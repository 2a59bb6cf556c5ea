import networks
import numpy as np
import pytest
import torch
from captum.attr import DeepLift as Theirs

from attribution.settings import digits, query, tensor, torch_module
from verixplain.attribution.deeplift import DeepLIFT
from verixplain.attribution.gradient_times_input import GradientTimesInput


@pytest.mark.parametrize("name", ["digits_cnn", "digits_mlp"])
def test_captum_agrees(name):
    of, x = digits(name)
    x, labels = x[:4], of(x[:4]).argmax(1)
    ours = DeepLIFT(baseline=0.2).on(of).attribute(tensor(x), labels)
    theirs = Theirs(torch_module(of)).attribute(
        tensor(x), torch.full((4, *x.shape[1:]), 0.2).double(), target=tensor(labels).long()
    )
    np.testing.assert_allclose(ours, theirs.detach(), atol=1e-5)


@pytest.mark.parametrize("activation", ["Relu", "Tanh", "Sigmoid", "LeakyRelu", "Softplus"])
def test_the_scores_add_up_through_every_function_of_one_number(activation):
    of = networks.loaded(networks.cnn(activation=activation))
    x = np.random.default_rng(0).normal(size=of.input_shape).astype("f4")
    found = DeepLIFT(baseline=0.1).explain(query(of, x, 1))
    assert abs(found.arrays["completeness_delta"]) < 1e-9


def test_the_scores_add_up_around_a_residual_block_and_through_pooling():
    of = networks.loaded(networks.residual())
    x = np.random.default_rng(0).normal(size=of.input_shape).astype("f4")
    assert abs(DeepLIFT().explain(query(of, x)).arrays["completeness_delta"]) < 1e-9


def test_the_scores_add_up_through_max_pooling_and_captum_agrees():
    of = networks.loaded(pooled())
    x = np.random.default_rng(0).normal(size=(3, *of.input_shape)).astype("f4")
    for one in x:
        found = DeepLIFT().explain(query(of, one, 0))
        assert abs(found.arrays["completeness_delta"]) < 1e-9
    theirs = Theirs(torch_module(of)).attribute(tensor(x), target=0)
    ours = DeepLIFT().on(of).attribute(tensor(x), 0)
    np.testing.assert_allclose(ours, theirs.detach(), atol=1e-5)


def pooled():
    """A convolution, a Relu, a max pool and a linear layer."""
    from onnx import helper

    rng = np.random.default_rng(0)
    constants = {
        "w0": rng.normal(size=(2, 1, 3, 3)).astype("f4"),
        "w1": rng.normal(size=(3, 18)).astype("f4"),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w0"], ["s"], "conv", pads=[1] * 4, kernel_shape=[3, 3]),
        helper.make_node("Relu", ["s"], ["a"], "relu"),
        helper.make_node("MaxPool", ["a"], ["p"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["p"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "w1"], ["y"], "classifier", transB=1),
    ]
    return networks.model(nodes, constants, ("batch", 1, 6, 6))


def test_near_the_baseline_the_slope_is_used():
    of, x = digits()
    found = DeepLIFT(baseline=x[0]).explain(query(of, x[0])).map
    assert (found == 0).all()
    near = x[0].astype("f8") - 1e-13
    slope = GradientTimesInput().explain(query(of, x[0])).map / np.where(x[0] == 0, 1, x[0])
    close = DeepLIFT(baseline=near).explain(query(of, x[0])).map / 1e-13
    inside = x[0] > 0
    np.testing.assert_allclose(close[inside], slope[inside], rtol=2e-2, atol=1e-2)
