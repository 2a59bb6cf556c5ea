import networks
import numpy as np
import pytest
import torch
from onnx import helper

from attribution.settings import digits, linear, query
from attribution.test_deeplift import pooled
from verixplain.attribution.gradient_times_input import GradientTimesInput
from verixplain.attribution.lrp import LRP, RULES, Account
from verixplain.errors import ConservationError, SettingError, UnsupportedMethodError


def without_biases(model):
    for tensor in model.graph.initializer:
        if tensor.name.startswith("b"):
            tensor.raw_data = b"\0" * len(tensor.raw_data)
    return networks.loaded(model)


@pytest.mark.parametrize("quantity", ["class", "margin"])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    "model",
    [networks.mlp(), networks.cnn(), networks.residual(), pooled()],
    ids=["dense", "convolutional", "residual", "pooling"],
)
def test_without_biases_every_bit_of_relevance_arrives(model, rule, quantity):
    of = without_biases(model)
    for seed in range(3):
        x = np.random.default_rng(seed).normal(size=of.input_shape).astype("f4")
        label = int(of(x[None]).argmax())
        outputs = of(x[None])[0].astype("f8")
        number = outputs[label]
        if quantity == "margin":
            number -= np.delete(outputs, label).max()
        found = LRP(rule=rule, quantity=quantity, epsilon=0.0).explain(query(of, x, label))
        lost = float(found.arrays["relevance_lost"])
        assert found.map.sum() + lost == pytest.approx(number, abs=1e-5)
        if rule != "z-plus":  # which drops what only negative contributions made
            assert lost == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("rule", RULES)
def test_with_biases_what_is_lost_is_accounted_for(rule):
    of, x = digits()
    for one in x[:4]:
        found = LRP(rule=rule).explain(query(of, one))
        total = found.map.sum() + found.arrays["relevance_lost"]
        assert total == pytest.approx(of(one[None]).max(), rel=1e-5)


def test_epsilon_zero_on_relu_networks_is_gradient_times_input():
    for of, x in (digits("digits_mlp"), digits("digits_cnn")):
        asked = query(of, x[0])
        found = LRP(epsilon=0.0).explain(asked).map
        np.testing.assert_allclose(found, GradientTimesInput().explain(asked).map, atol=1e-6)


def slowly(weight, bias, a, relevance, rule, gamma=0.25):
    """One dense layer, contribution by contribution."""
    found = np.zeros(len(a))
    for j, given in enumerate(relevance):
        z, b = weight[j] * a, bias[j]
        plus, minus = z.clip(min=0), z.clip(max=0)
        p, n = plus.sum() + max(b, 0), minus.sum() + min(b, 0)
        if rule == "epsilon":
            found += given * z / (p + n)
        elif rule == "z-plus":
            found += given * plus / p if p else 0
        elif rule == "alpha2-beta1":
            if p and n:
                found += given * (2 * plus / p - minus / n)
            else:
                found += given * (plus / p if p else minus / n)
        else:
            side, whole = (plus, p) if p + n >= 0 else (minus, n)
            found += given * (z + gamma * side) / (p + n + gamma * whole)
    return found


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_is_the_sum_over_contributions(rule):
    of, x = digits("digits_mlp")
    layers = list(of.at(torch.float64).children())[1:]
    a, kept = x[0].astype("f8").ravel(), []
    for layer in layers:
        kept.append(a)
        a = layer.weight.numpy() @ a + layer.bias.numpy() if hasattr(layer, "weight") else a.clip(0)
    relevance = a * np.eye(10)[0]
    for layer, entering in zip(reversed(layers), reversed(kept), strict=True):
        if hasattr(layer, "weight"):
            weight, bias = layer.weight.numpy(), layer.bias.numpy()
            relevance = slowly(weight, bias, entering, relevance, rule)
    found = LRP(rule=rule, epsilon=0.0).explain(query(of, x[0], 0)).map
    np.testing.assert_allclose(found.ravel(), relevance, atol=1e-8)


def test_batch_normalization_scaling_and_averages_are_affine():
    constants = {
        "mean": np.array([[[0.5]], [[0.1]]], "f4"), "gain": np.array([1.5, -0.5], "f4"),
        "bias": np.array([0.2, -0.1], "f4"), "m": np.zeros(2, "f4"), "v": np.ones(2, "f4"),
        "w": np.random.default_rng(0).normal(size=(3, 2)).astype("f4"), "two": np.float32(-2),
    }  # fmt: skip
    nodes = [
        helper.make_node("Sub", ["x", "mean"], ["c"], "centre"),
        helper.make_node("BatchNormalization", ["c", "gain", "bias", "m", "v"], ["n"], "bn"),
        helper.make_node("Mul", ["n", "two"], ["d"], "double"),
        helper.make_node("Relu", ["d"], ["r"], "relu"),
        helper.make_node("AveragePool", ["r"], ["p"], "mean", kernel_shape=[2, 2]),
        helper.make_node("GlobalAveragePool", ["p"], ["g"], "average"),
        helper.make_node("Flatten", ["g"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "w"], ["y"], "classifier", transB=1),
    ]
    of = networks.loaded(networks.model(nodes, constants, ("batch", 2, 4, 4)))
    x = np.random.default_rng(1).normal(size=of.input_shape).astype("f4")
    for rule in RULES:
        found = LRP(rule=rule).explain(query(of, x))
        assert np.isfinite(found.map).all()


def test_relevance_that_is_made_on_the_way_is_noticed(monkeypatch):
    of, x = digits()
    before = LRP._per_unit
    monkeypatch.setattr(LRP, "_per_unit", lambda *given: tuple(1.5 * one for one in before(*given)))
    with pytest.raises(ConservationError, match="was lost to offsets and stabiliser"):
        LRP().explain(query(of, x[0]))
    assert Account().offsets == 0


def test_layers_without_a_rule_are_refused_by_name():
    nodes = [
        helper.make_node("Mul", ["x", "x"], ["s"], "square"),
        helper.make_node("Gemm", ["s", "w"], ["y"], "classifier", transB=1),
    ]
    of = networks.loaded(networks.model(nodes, {"w": np.ones((2, 4), "f4")}))
    with pytest.raises(UnsupportedMethodError, match="no rule for node 'square'"):
        LRP().explain(query(of, np.ones(4, "f4"), 0))


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(SettingError, match="no rule 'w-square'"):
        LRP(rule="w-square")
    with pytest.raises(SettingError, match="epsilon"):
        LRP(epsilon=-1)
    of = linear([[1.0, 2.0], [0.0, 1.0]])
    with pytest.raises(UnsupportedMethodError, match="not the probability"):
        LRP(quantity="probability").explain(query(of, np.ones(2, "f4"), 0))
