import networks
import numpy as np
import pytest
import torch
from onnx import helper

from attribution.settings import digits, linear, query
from verixplain import load
from verixplain.attribution.bsm import BSM
from verixplain.attribution.saliency import Saliency
from verixplain.errors import NoBoundaryError, SettingError, TargetError


def test_on_a_linear_network_it_is_saliency():
    of, x = linear([[1, -2], [0, 1]]), np.array([3, -1], "f4")
    np.testing.assert_allclose(BSM().explain(query(of, x, 0)).map, [1, -2])


def test_it_is_the_slope_at_the_point_that_is_kept():
    of, x = digits()
    asked = query(of, x[0])
    found = BSM(steps=10).explain(asked)
    point = found.arrays["boundary_point"]
    there = Saliency().on(of).attribute(point[None], asked.target.label_index)[0]
    np.testing.assert_allclose(found.map, there, atol=1e-9)
    assert found.arrays["distance_l2"] == pytest.approx(np.linalg.norm(point - x[0]))
    assert 0 < found.arrays["proved_radius_linf"] <= found.arrays["distance_linf"]
    assert 0.9 < found.arrays["proved_segment"] < 1


def test_with_the_margin_it_is_the_normal_of_the_boundary():
    of, x = digits("digits_mlp")
    found = BSM(steps=20, quantity="margin").explain(query(of, x[0]))
    move = found.arrays["boundary_point"] - x[0]
    cosine = -(found.map * move).sum() / np.linalg.norm(found.map) / np.linalg.norm(move)
    assert cosine > 0.9  # the way to the nearest point is nearly perpendicular to the boundary


def test_where_no_boundary_is_found_nothing_is_explained():
    of = linear([[0.0, 0.0], [0.0, 0.0]], [1.0, 0.0])
    with pytest.raises(NoBoundaryError, match="none of the attacks"):
        BSM(steps=3).explain(query(of, np.ones(2, "f4"), 0))


def test_a_class_that_is_not_predicted_is_refused():
    of, x = digits()
    worst = int(of(x[:1]).argmin())
    with pytest.raises(TargetError):
        BSM(steps=3).explain(query(of, x[0], worst))


def test_without_bounds_nothing_is_proved_and_the_map_is_the_same():
    of, x = digits()
    with_bounds, without = (
        BSM(steps=5, bound=bound).explain(query(of, x[0])) for bound in ("interval", "none")
    )
    np.testing.assert_array_equal(with_bounds.map, without.map)
    assert "proved_radius_linf" not in without.arrays


def test_attacks_are_named_with_commas():
    of, x = digits()
    found = BSM(attacks="deepfool,cw", steps=25).explain(query(of, x[0]))
    assert len(found.arrays["attack_distances"]) == 2
    with pytest.raises(SettingError, match="no attack 'fgsm'"):
        BSM(attacks="fgsm")


def test_within_one_linear_piece_it_is_saliency():
    generator = np.random.default_rng(3)
    first = generator.normal(size=(8, 4)).astype("f4")
    last = generator.normal(size=(3, 8)).astype("f4")
    nodes = [
        helper.make_node("Gemm", ["x", "w", "b"], ["h"], "hidden", transB=1),
        helper.make_node("Relu", ["h"], ["a"], "relu"),
        helper.make_node("MatMul", ["a", "v"], ["y"], "out"),
    ]
    always_on = np.full(8, 100, "f4")  # no unit is off anywhere near
    constants = {"w": first, "b": always_on, "v": (last - last.mean(1, keepdims=True)).T}
    of = networks.loaded(networks.model(nodes, constants, ("batch", 4)))
    asked = query(of, generator.normal(size=4).astype("f4"))
    found = BSM(bound="none").explain(asked)
    assert found.arrays["distance_l2"] > 0
    np.testing.assert_array_equal(found.map, Saliency().explain(asked).map)


class Phi(torch.nn.Module):
    """The normal distribution function."""

    def forward(self, x):
        return 0.5 * (1 + torch.erf(x / 2**0.5))


@pytest.mark.parametrize("sigma", [0.3, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_of_a_smoothed_network_it_is_as_near_to_saliency_as_the_theorem_says(seed, sigma):
    """E v.Phi(W (x + e) + b) = v.Phi((W x + b) / sqrt(1 + sigma^2 |w|^2)), e of deviation sigma."""
    torch.manual_seed(seed)
    module = torch.nn.Sequential(torch.nn.Linear(6, 20), Phi(), torch.nn.Linear(20, 3))
    with torch.no_grad():
        module[0].weight *= 4
        size = (1 + sigma**2 * (module[0].weight ** 2).sum(1)).sqrt()
        module[0].weight /= size[:, None]
        module[0].bias /= size
    of = load(module.eval(), example=torch.zeros(1, 6))
    asked = query(of, torch.randn(6).numpy())
    found = BSM(bound="none", steps=20).explain(asked)
    span = float(module[2].weight[asked.target.label_index].detach().abs().sum())
    slope = np.sqrt(2 / np.pi) * np.exp(-0.5) * span / sigma**2  # 2 phi(1) (b - a) / sigma^2
    away = np.linalg.norm(Saliency().explain(asked).map - found.map)
    assert 0 < away <= slope * found.arrays["distance_l2"]
