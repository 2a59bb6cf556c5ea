"""What holds for every registered method, without its author writing a test."""

import copy
from functools import cache
from pathlib import Path

import networks
import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from verixplain import Box, Groups, Query, Target
from verixplain.attribution._base import Attribution, Method
from verixplain.attribution._weights import Averaged
from verixplain.attribution.saliency import Saliency
from verixplain.errors import SettingError
from verixplain.network import Network
from verixplain.registry import methods

SEARCH = {"steps": 8, "restarts": 1, "bound": "interval"}
QUICK = {
    "big": {**SEARCH, "path_steps": 10},
    "boundary-deeplift": SEARCH,
    "boundary-smoothgrad": {**SEARCH, "samples": 10},
    "bsm": SEARCH,
    "eva": {"steps": 2, "restarts": 1},
    "expected-gradients": {"samples": 20},
    "fusion-grad": {"draws": 2, "samples": 2},
    "geg": {"samples": 5},
    "ggig": {"steps": 5, "iterations": 3},
    "greedy-as": {"subsets": 20, "steps": 3, "rounds": 3},
    "guided-integrated-gradients": {"steps": 20},
    "integrated-gradients": {"steps": 10},
    "noise-grad": {"draws": 3},
    "rise": {"masks": 50},
}
"""Settings that make a method quick; one that is not here runs as it is."""


def made(name: str, **settings) -> Method:
    return methods[name](**{**QUICK.get(name, {}), **settings})


@cache
def network(kind: str = "cnn") -> Network:
    return networks.loaded(getattr(networks, kind)(seed=1))


@pytest.fixture(params=sorted(methods))
def name(request) -> str:
    return request.param


def inputs(count: int = 2, shape: tuple[int, ...] = (1, 8, 8)) -> np.ndarray:
    return np.random.default_rng(5).uniform(0.1, 1, (count, *shape)).astype(np.float32)


def query(of: Network, x: np.ndarray, label: int | None = None) -> Query:
    label = int(of(x[None]).argmax()) if label is None else label
    shape = of.input_shape
    groups = Groups.grid(shape, 2, 2) if len(shape) == 3 else Groups.columns(shape)
    return Query(of, Box.around(x, 0.05), Target.label(label), groups)


def test_every_method_has_its_test_file(name):
    file = f"test_{name.replace('-', '_')}.py"
    assert (Path(__file__).parents[1] / "attribution" / file).is_file()


def test_the_documentation_says_the_source(name):
    assert made(name).source
    assert made(name).cost
    assert made(name).needs


def test_the_map_has_the_inputs_shape_and_groups_add_it_up(name):
    asked = query(network(), inputs()[0])
    found = made(name).explain(asked)
    assert found.method == name
    assert found.scores.shape == network().input_shape
    assert np.isfinite(found.scores).all()
    assert found.timing["total"] >= 0
    if isinstance(made(name), Attribution):
        assert found.guarantee == "none"
        sums = [found.map.flat[members].sum() for members in asked.groups.members]
        np.testing.assert_allclose(found.group_scores, sums)
        assert any("explained is" in note for note in found.notes)


def test_a_batch_is_its_members(name):
    points, method = inputs(2), made(name).on(network())
    together = method.attribute(points, radius=0.05)
    alone = [method.attribute(point[None], radius=0.05)[0] for point in points]
    np.testing.assert_array_equal(together, alone)


def test_what_goes_in_decides_what_comes_out(name):
    points, method = inputs(1), made(name).on(network())
    array = method.attribute(points, radius=0.05)
    tensor = method.attribute(torch.from_numpy(points.copy()), radius=0.05)
    (inner,) = method.attribute((torch.from_numpy(points.copy()),), radius=0.05)
    assert isinstance(array, np.ndarray)
    assert array.dtype == points.dtype
    assert isinstance(tensor, torch.Tensor)
    np.testing.assert_array_equal(array, tensor.numpy())
    np.testing.assert_array_equal(array, inner.numpy())


def state(module: torch.nn.Module) -> dict:
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return {
        "weights": {key: value.clone() for key, value in module.state_dict().items()},
        "grads": [(parameter.requires_grad, parameter.grad) for parameter in module.parameters()],
        "modes": [inner.training for inner in module.modules()],
        "hooks": [[len(getattr(inner, kind)) for kind in hooks] for inner in module.modules()],
        "names": [sorted(vars(inner)) for inner in module.modules()],
    }


def test_inputs_network_and_random_numbers_are_as_before(name):
    of, points = networks.loaded(networks.cnn(seed=1)), inputs(1)
    modules = [of.module, of.at(torch.float64)]
    before, kept = [state(module) for module in modules], copy.deepcopy(points)
    torch.manual_seed(3)
    np.random.seed(3)
    seeds = torch.get_rng_state().clone(), np.random.get_state()[1].copy()
    made(name).on(of).attribute(points, radius=0.05)
    np.testing.assert_array_equal(points, kept)
    for module, one in zip(modules, before, strict=True):
        after = state(module)
        weights, old = after.pop("weights"), one.pop("weights")
        assert all(torch.equal(weights[key], old[key]) for key in old)
        assert after == one
    assert torch.equal(torch.get_rng_state(), seeds[0])
    np.testing.assert_array_equal(np.random.get_state()[1], seeds[1])
    assert torch.is_grad_enabled()


def test_a_seed_decides_the_scores(name):
    asked = query(network(), inputs()[0])
    first, second = made(name).explain(asked), made(name).explain(asked)
    np.testing.assert_array_equal(first.scores, second.scores)


def blind(seed: int = 1) -> Network:
    """A network whose weights on pixel column 2 and 3 are zero (a dense first layer)."""
    model = networks.mlp((16, 12, 3), seed=seed)
    for tensor in model.graph.initializer:
        if tensor.name == "w0":
            weight = numpy_helper.to_array(tensor).copy()
            weight[:, [2, 3]] = 0
            tensor.CopyFrom(numpy_helper.from_array(weight, "w0"))
    onnx.checker.check_model(model)
    return networks.loaded(model)


def test_inputs_that_the_network_ignores_score_zero(name):
    method, of = made(name), blind()
    if not method.keeps_ignored_at_zero:
        pytest.skip("declared by the method: its scores spread over neighbours or masks")
    if "convolution" in method.needs:
        pytest.skip("the method needs a convolution, and a pixel is never ignored alone there")
    scores = method.on(of).attribute(inputs(1, (16,)), radius=0.05)[0]
    assert (scores[[2, 3]] == 0).all()
    assert (scores != 0).any()


def test_both_precisions_agree(name):
    if name == "eva":
        pytest.skip("its bounds carry a wider rounding allowance in float32")
    if name == "greedy-as":
        pytest.skip("it attacks in the model's own precision")
    asked = query(network(), inputs()[0])

    def scores(dtype: str) -> np.ndarray:
        if isinstance(made(name), Averaged):
            return made(name, base=Saliency(dtype=dtype)).explain(asked).scores
        return made(name, dtype=dtype).explain(asked).scores

    fine, coarse = scores("float64"), scores("float32")
    np.testing.assert_allclose(coarse, fine, atol=2e-3 * np.abs(fine).max())


def test_an_explanation_can_be_saved(name, tmp_path):
    from verixplain import save

    found = made(name).explain(query(network(), inputs()[0]))
    save(found, tmp_path)
    with np.load(tmp_path / "explanation.npz") as archive:
        np.testing.assert_array_equal(archive["scores"], found.scores)
        assert {f"method_{array}" for array in found.arrays} <= set(archive)


def test_quantus_can_call_it(name):
    points = inputs(2)
    labels = network()(points).argmax(1)
    found = made(name).explain_func(network(), points, labels, device=None)
    assert found.shape == points.shape
    with pytest.raises(SettingError, match="has no setting 'colour'"):
        made(name).explain_func(network(), points, labels, colour=1)
