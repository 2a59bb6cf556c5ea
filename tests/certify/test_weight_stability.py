"""Maps of every network in a box of weights, judged in rationals at networks drawn from it."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import cnn, loaded, mlp, model, residual
from onnx import helper
from oracle import corners, exact_gradients

from certify.map_cases import inside, piecewise, query, search
from verixplain.attribution._weights import changed
from verixplain.attribution.eva import EVA
from verixplain.certify.claim import claim_named
from verixplain.certify.kinds.weight_stability import moved
from verixplain.certify.maps._arithmetic import narrowed
from verixplain.certify.maps._weights import weight_names, weight_steps
from verixplain.certify.run import certify
from verixplain.errors import SettingError
from verixplain.query import Box


def drawn(network, share: float, seed: int):
    """A network at a corner of the box, and whether it lies in it, in rationals."""
    generator = np.random.default_rng(seed)
    constants = {name: moved(network, name, share, generator) for name in weight_names(network)}
    for name, new in constants.items():
        old = network.graph.constants[name]
        for a, b in zip(old.ravel().tolist(), new.ravel().tolist(), strict=True):
            assert abs(Fraction(b) - Fraction(a)) <= Fraction(share) * abs(Fraction(a))
    return changed(network, constants)


def loose_region(network, box: Box, share: float):
    one = search(query(network, box), "saliency")
    one.loosened(share)
    return one.region((box.lower, box.upper))[0]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.0, 0.3), st.floats(0.0, 0.2))
def test_gradients_of_every_network_in_the_box_lie_inside(seed, share, radius):
    network = loaded(mlp((3, 4, 3, 2), seed=seed))
    x = np.random.default_rng(seed).uniform(0, 1, 3).astype("f4")
    box = Box.around(x, radius)
    found = loose_region(network, box, share)
    known, other = narrowed(found), drawn(network, share, seed)
    weights = torch.tensor([[1, -1, 0], [-1, -1, 2]], dtype=torch.float64)
    most = found.above(weights, 0).tolist()
    for point in [box.center, *list(corners(box, 2, seed))[:1]]:
        truth = exact_gradients(other, point)[0]
        assert inside(known.lower, known.upper, list(truth))
        for weight, end in zip(weights.tolist(), most, strict=True):
            assert sum(Fraction(w) * j for w, j in zip(weight, truth, strict=True)) <= end


@pytest.mark.parametrize("make", [lambda: cnn((1, 2, 2), 5), lambda: residual(2, 4)])
def test_convolutions_and_residual_networks_too(make):
    network = loaded(make())
    x = np.random.default_rng(0).uniform(0, 1, network.input_shape).astype("f4")
    box = Box.around(x, 0.01)
    found = loose_region(network, box, 0.1)
    for seed in range(3):
        truth = exact_gradients(drawn(network, 0.1, seed), box.center)[0]
        assert inside(found.lower, found.upper, list(truth))


def test_a_neuron_that_only_the_farthest_weights_close_is_open():
    """Of `relu(x - 0.9)` at 1: with 0.94 and -0.954 the neuron is closed, half way it is not."""
    network = loaded(piecewise([[1.0]], [-0.9], [[1.0], [0.0]]))
    found = loose_region(network, Box.around(np.ones(1), 0.0), 0.06)
    assert found.lower[0, 0] <= 0.0
    assert found.upper[0, 0] >= 1.0


def test_without_a_share_it_is_the_network_itself():
    network = loaded(mlp())
    box = Box.around(np.zeros(4), 0.0)
    one, two = loose_region(network, box, 0.0), search(query(network, box), "saliency").start
    np.testing.assert_allclose(one.lower, two.lower, atol=1e-12)
    np.testing.assert_allclose(one.upper, two.upper, atol=1e-12)


def test_a_claim_holds_for_small_shares_and_is_refuted_by_a_network_for_large_ones():
    """Of `2 relu(x1 + 9) + relu(x2 + 9)` the slopes are 2 and 1: they cross at about 0.17."""
    network = loaded(piecewise([[1.0, 0.0], [0.0, 1.0]], [9.0, 9.0], [[2.0, 1.0], [0.0, 0.0]]))
    asked = query(network, Box.around(np.array([0.5, 0.5]), 0.0))
    statuses = {}
    for share in (0.1, 0.4):
        options = {"sigma_box": share}
        words = ["weight-stability:saliency"]
        (one,) = certify(asked, words, EVA(device="cpu"), options=options).claims
        statuses[share] = one.finding.status
    assert statuses == {0.1: "estimate", 0.4: "refuted"}
    weights = {name.removeprefix("weights:"): array for name, array in one.finding.arrays.items()}
    slopes = exact_gradients(changed(network, weights), asked.box.center)[0]
    assert abs(slopes[1]) > abs(slopes[0])


def test_a_share_is_needed_and_below_one():
    for options in ({}, {"sigma_box": 1.0}, {"sigma_box": -0.1}, {"sigma_box": float("nan")}):
        with pytest.raises(SettingError, match="--sigma-box"):
            claim_named("weight-stability:saliency", options)


def test_weights_are_those_of_layers_and_what_is_added_after_them():
    """A scale before the first layer, a divisor and a slope are none, and stay as they are."""
    nodes = [
        helper.make_node("Mul", ["x", "before"], ["p"], "prepare"),
        helper.make_node("MatMul", ["p", "w"], ["s"], "first"),
        helper.make_node("Add", ["s", "b"], ["t"], "bias"),
        helper.make_node("PRelu", ["t", "slope"], ["a"], "prelu"),
        helper.make_node("Div", ["a", "divisor"], ["d"], "divide"),
        helper.make_node("MatMul", ["d", "v"], ["y"], "last"),
    ]
    constants = {
        "before": np.full(2, 2, "f4"), "w": np.eye(2, dtype="f4"), "b": np.ones(2, "f4"),
        "slope": np.full(2, 0.5, "f4"), "divisor": np.full(2, 2, "f4"),
        "v": np.array([[2, 0], [1, 0]], "f4"),
    }  # fmt: skip
    network = loaded(model(nodes, constants, ("batch", 2)))
    assert weight_names(network) == ["b", "v", "w"]
    steps = {name.split("#")[0] for name in weight_steps(network, network.plan)}
    assert steps == {"first", "bias", "last"}
    asked = query(network, Box.around(np.array([0.5, 0.5]), 0.0))
    options = {"sigma_box": 0.4}
    (one,) = certify(
        asked, ["weight-stability:saliency"], EVA(device="cpu"), options=options
    ).claims
    assert one.finding.status == "refuted"
    assert set(one.finding.arrays) == {"weights:b", "weights:v", "weights:w"}
