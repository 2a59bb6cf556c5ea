import hashlib

import networks
import numpy as np
import pytest
from onnx import helper

from attribution.settings import digits, linear, query
from verixplain.attribution._weights import Weights, changed, noised
from verixplain.attribution.big import BIG
from verixplain.attribution.eva import EVA
from verixplain.attribution.noise_grad import (
    NoiseGrad,
    accuracy_drop,
    activation_maximisation,
    deviation_for_drop,
)
from verixplain.attribution.saliency import Saliency
from verixplain.errors import NoBoundaryError, SettingError, UnsupportedMethodError


def bits(of) -> str:
    state = of.module.state_dict()
    parts = [value.numpy().tobytes() for value in state.values()]
    parts += [array.tobytes() for array in of.graph.constants.values()]
    return hashlib.sha256(b"".join(parts)).hexdigest()


@pytest.mark.parametrize("base", ["saliency", BIG(steps=3), EVA(steps=2, restarts=1)])
def test_without_noise_it_is_the_base_method_bit_by_bit(base):
    of, x = digits("digits_mlp")
    asked = query(of, x[0])
    plain = (Saliency() if base == "saliency" else base).explain(asked)
    found = NoiseGrad(base=base, deviation=0.0, draws=1).explain(asked)
    np.testing.assert_array_equal(found.scores, plain.scores)
    np.testing.assert_array_equal(found.group_scores, plain.group_scores)


@pytest.mark.parametrize("base", [BIG(steps=5), EVA(steps=2, restarts=1)])
def test_it_goes_around_any_method(base):
    of, x = digits("digits_mlp")
    found = NoiseGrad(base=base, deviation=0.02, draws=2).explain(query(of, x[0]))
    assert found.settings["base"]["name"] in ("big", "eva")
    assert np.isfinite(found.scores).all()


def test_the_weights_are_bit_by_bit_as_before_also_after_an_exception():
    of, x = digits()
    before = bits(of)
    NoiseGrad(draws=2).explain(query(of, x[0]))
    assert bits(of) == before

    class Failing(Saliency):
        def explain(self, query, progress=None):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        NoiseGrad(base=Failing()).explain(query(of, x[0]))
    assert bits(of) == before


def test_it_is_the_mean_over_the_networks():
    of, x = digits()
    asked = query(of, x[0])
    found = NoiseGrad(draws=3, seed=4).explain(asked)
    others = list(noised(of, 0.2, 3, [4, 1]))
    each = [Saliency().on(other).attribute(x[:1].astype("f8"), asked.target) for other in others]
    np.testing.assert_allclose(found.map, np.mean(each, axis=0)[0], rtol=1e-9, atol=1e-12)
    absolute = NoiseGrad(draws=3, seed=4, reduce="absolute").explain(asked).map
    np.testing.assert_allclose(absolute, np.abs(each).mean(0)[0], rtol=1e-9, atol=1e-12)


def test_on_a_linear_network_noise_averages_out_at_the_stated_rate():
    w = np.array([[3.0, -2.0], [0.0, 1.0]])
    of, x = linear(w), np.ones(2, "f4")
    maps = [
        NoiseGrad(draws=20, deviation=0.3, seed=seed).explain(query(of, x, 0)).map
        for seed in range(20)
    ]
    np.testing.assert_allclose(np.mean(maps, axis=0), w[0], rtol=0.06)
    np.testing.assert_allclose(np.std(maps, axis=0), 0.3 * np.abs(w[0]) / 20**0.5, rtol=0.45)


@pytest.mark.parametrize(
    "model", [networks.mlp(), networks.cnn(), networks.residual()], ids=["mlp", "cnn", "residual"]
)
def test_every_parameter_of_the_module_is_noised(model):
    of = networks.loaded(model)
    (other,) = noised(of, 0.1, 1, 0)
    before, after = dict(of.module.named_parameters()), dict(other.module.named_parameters())
    assert before.keys() == after.keys()
    assert all((before[name] != after[name]).all() for name in before)


def test_a_weight_that_two_nodes_share_is_noised_once():
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"], "first"),
        helper.make_node("MatMul", ["h", "w"], ["y"], "second"),
    ]
    of = networks.loaded(networks.model(nodes, {"w": np.eye(4, dtype="f4")}))
    assert Weights().names(of) == ["w"]
    (other,) = noised(of, 0.1, 1, 0)
    first, second = other.module.parameters()
    assert (first == second).all()


def test_preprocessing_is_not_noised_and_what_comes_after_weights_is():
    nodes = [
        helper.make_node("Sub", ["x", "mean"], ["c"], "centre"),
        helper.make_node("Div", ["c", "std"], ["n"], "scale"),
        helper.make_node("MatMul", ["n", "w"], ["h"], "matmul"),
        helper.make_node("Add", ["h", "b"], ["y"], "bias"),
    ]
    constants = {"mean": np.float32(0.5), "std": np.float32(2), "w": np.eye(4, dtype="f4")}
    of = networks.loaded(networks.model(nodes, {**constants, "b": np.ones(4, "f4")}))
    assert Weights().names(of) == ["w", "b"]
    assert Weights(biases=False).names(of) == ["w"]
    assert Weights("bias").names(of) == ["b"]
    with pytest.raises(UnsupportedMethodError, match="has no weights in layers 'conv"):
        Weights("conv*").names(of)


def test_noise_of_one_seed_only_grows_with_its_deviation():
    of, _ = digits("digits_mlp")
    (one,), (two,) = noised(of, 0.1, 1, 7), noised(of, 0.2, 1, 7)
    for a, b, c in zip(*(other.module.parameters() for other in (of, one, two)), strict=True):
        np.testing.assert_allclose(c - a, 2 * (b - a), rtol=1e-3, atol=1e-6)


def test_a_changed_network_has_its_own_bounds():
    of, x = digits("digits_mlp")
    zeros = {name: 0 * of.graph.constants[name] for name in Weights(biases=False).names(of)}
    other = changed(of, zeros)
    same = EVA(steps=0).on(other).attribute(x[:1], 0, radius=0.1)
    np.testing.assert_allclose(same, 0, atol=1e-9)
    assert (other(x[:1]) != of(x[:1])).any()


def test_copies_without_a_boundary_are_left_out_and_counted():
    of, x = digits("digits_mlp")
    found = NoiseGrad(base=BIG(steps=5, bound="none"), deviation=0.8, draws=6).explain(
        query(of, x[0])
    )
    assert any("copies left out" in note for note in found.notes)
    never = linear([[0.0, 0.0], [0.0, 0.0]], [1.0, 0.0])
    with pytest.raises(NoBoundaryError, match="explained none of 2"):
        NoiseGrad(base=BIG(steps=2), draws=2).explain(query(never, np.ones(2, "f4"), 0))


def test_the_accuracy_falls_with_the_noise_and_bisection_finds_five_percent():
    of, _ = digits("digits_mlp")
    from verixplain import models

    with np.load(models.folder() / "digits_inputs.npz") as archive:
        x, labels = archive["inputs"], archive["labels"]
    drops = [accuracy_drop(of, x, labels, deviation, draws=4) for deviation in (0.0, 0.3, 1.0)]
    assert drops[0] == 0
    assert drops[1] < drops[2]
    deviation = deviation_for_drop(of, x, labels, 0.05, draws=4, steps=7)
    assert accuracy_drop(of, x, labels, 0.9 * deviation, draws=4) <= 0.06
    assert accuracy_drop(of, x, labels, 1.1 * deviation, draws=4) >= 0.04
    with pytest.raises(SettingError, match="not above chance"):
        accuracy_drop(of, x, (labels + 1) % 10, 0.1)


def test_an_input_that_maximises_the_activation_is_taken_for_the_class():
    of, _ = digits("digits_mlp")
    found = activation_maximisation(of, 3, copies=4, steps=15, rate=0.05)
    assert found.shape == of.input_shape
    assert found.min() >= 0
    assert found.max() <= 1
    assert of(found[None]).argmax() == 3


def test_settings_that_cannot_be_are_refused():
    for settings in ({"base": 3}, {"draws": 0}, {"deviation": -1}, {"reduce": "max"}):
        with pytest.raises(SettingError):
            NoiseGrad(**settings)
