"""What holds for every registered metric, without its author writing a test."""

import copy
import json
from functools import cache
from pathlib import Path

import networks
import numpy as np
import pytest
import torch
from onnx import helper

from verixplain import Box, Groups, Query, Target, explain
from verixplain.attribution.saliency import Saliency
from verixplain.errors import InputError
from verixplain.explanation import Explanation
from verixplain.metrics._base import KINDS, Measured, Metric, Sample
from verixplain.metrics._information import blurred
from verixplain.network import Network
from verixplain.registry import metrics

QUICK = {
    "robustness-sr": {"steps": 5, "restarts": 2, "rounds": 4},
    "robustness-sr-complement": {"steps": 5, "restarts": 2, "rounds": 4},
    "max-sensitivity": {"samples": 3},
    "audit": {"k": 4},
}


def made(name: str) -> Metric:
    return metrics[name](**QUICK.get(name, {}))


@pytest.fixture(params=sorted(metrics))
def name(request) -> str:
    return request.param


@cache
def linear(seed: int = 0) -> Network:
    """A linear network on images of 8x8 with two classes."""
    weights = np.random.default_rng(seed).normal(0, 1, (64, 2)).astype("f4")
    weights[:, 1] = -weights[:, 0]
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"], "flatten"),
        helper.make_node("MatMul", ["flat", "w"], ["y"], "linear"),
    ]
    return networks.loaded(networks.model(nodes, {"w": weights}, ("batch", 1, 8, 8)))


def query(of: Network, seed: int = 1) -> Query:
    x = np.random.default_rng(seed).uniform(0.1, 1, of.input_shape).astype(np.float32)
    label = int(of(x[None]).argmax())
    groups = Groups.grid(of.input_shape, 4, 4)
    return Query(of, Box.around(x, 0.05), Target.label(label), groups)


def sample(asked: Query, scores: np.ndarray | None = None, method: Saliency | None = None):
    method = method or Saliency()
    found = method.explain(asked)
    if scores is not None:
        found = Explanation(asked, "made-up", "none", scores)
    mask = np.zeros(asked.box.center.shape, dtype=bool)
    mask[..., :4, :4] = True
    return Sample(found, method, mask, cache(lambda: explain(asked, "eva")))


def test_the_test_file_is_there(name):
    file = f"test_{name.replace('-', '_')}.py"
    assert (Path(__file__).parents[1] / "metrics" / file).is_file()


def test_it_says_what_it_is(name):
    metric = made(name)
    assert metric.kind in KINDS
    assert metric.direction in ("higher", "lower")
    assert metric.unit
    assert metric.range[0] < metric.range[1]
    assert metric.looks_at in ("probability", "logits", "nothing")
    assert metric.pools
    assert metric.needs in ("", "mask", "method", "verified map", "image")
    assert hasattr(metric, "baseline") <= bool(metric.replaces)
    words = " ".join((type(metric).__doc__ or "").split())
    assert "Source: " in words
    assert metric.name == name


@pytest.mark.parametrize("kind", ["cnn", "linear"])
@pytest.mark.parametrize("seed", range(3))
def test_the_number_is_in_its_range_and_the_same_again(name, kind, seed):
    of = linear() if kind == "linear" else networks.loaded(networks.cnn(seed=1))
    given = sample(query(of, seed))
    found, again = made(name).measure(given), made(name).measure(given)
    low, high = made(name).range
    assert isinstance(found, Measured)
    assert low <= found.value <= high
    assert found.value == again.value
    assert found.lower is None or found.lower <= found.value
    json.dumps(dict(found.details), allow_nan=False)


@pytest.mark.parametrize("scores", [np.zeros(16), np.ones(16), -np.ones(16), np.full(16, 1e-300)])
def test_a_constant_map_has_a_number_in_the_range(name, scores):
    found = made(name).measure(sample(query(linear()), scores))
    assert made(name).range[0] <= found.value <= made(name).range[1]


def test_map_network_and_random_numbers_are_as_before(name):
    of = networks.loaded(networks.cnn(seed=1))
    given = sample(query(of))
    given.verify()
    scores, center = given.scores.copy(), given.explanation.query.box.center.copy()
    weights = copy.deepcopy(of.module.state_dict())
    torch.manual_seed(3)
    np.random.seed(3)
    seeds = torch.get_rng_state().clone(), np.random.get_state()[1].copy()
    made(name).measure(given)
    np.testing.assert_array_equal(given.scores, scores)
    np.testing.assert_array_equal(given.explanation.query.box.center, center)
    assert all(torch.equal(weights[key], value) for key, value in of.module.state_dict().items())
    assert torch.equal(torch.get_rng_state(), seeds[0])
    np.testing.assert_array_equal(np.random.get_state()[1], seeds[1])
    assert torch.is_grad_enabled()


def truth(metric: Metric, given: Sample) -> np.ndarray:
    """The scores that the metric should like best."""
    query = given.explanation.query
    weights = query.network.graph.constants["w"][:, query.target.label_index]
    if metric.kind == "localisation":
        return np.where(given.inside, 1.0, -1.0)
    if metric.kind == "complexity":
        return np.eye(16)[0]
    start = np.zeros(64)
    if metric.needs == "image":  # what is put in replaces a blurred image
        start = blurred(query.box.center, query.groups.plane, metric.start, metric.seed).ravel()
    worth = weights * (query.box.center.ravel() - start)
    if metric.kind in ("robustness", "agreement"):
        worth = np.abs(weights)
    return np.array([worth[group].sum() for group in query.groups.members])


def test_on_a_linear_network_truth_beats_random_scores_and_these_beat_the_inverse(name):
    metric = made(name)
    if "method" in metric.needs:
        pytest.skip("it judges a method near the input, not one map")
    sign = 1 if metric.direction == "higher" else -1
    means = []
    for kind in ("truth", "random", "inverse"):
        values = []
        for seed in range(6):
            asked = query(linear(), seed)
            given = sample(asked)
            scores = truth(metric, given)
            if kind == "random":
                scores = np.random.default_rng(seed).permutation(scores)
            elif kind == "inverse":
                scores = scores.max() + scores.min() - scores
            values.append(sign * metric.measure(sample(asked, scores)).value)
        means.append(np.mean(values))
    if metric.kind == "complexity":  # it does not know which group holds the score
        assert means[0] == means[1] > means[2]
    else:
        assert means[0] > means[1]
        assert means[1] > means[2] or name == "infidelity"
        assert means[1] >= means[2]


@pytest.mark.parametrize("need", ["mask", "verified map", "method"])
def test_what_is_missing_is_named(need):
    for name in metrics:
        if made(name).needs == need:
            found = Saliency().explain(query(linear()))
            with pytest.raises(InputError, match=need.split()[0]):
                made(name).measure(Sample(found))
