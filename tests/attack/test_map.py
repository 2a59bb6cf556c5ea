"""The attack on maps: it climbs on a copy with rounded kinks, and the network itself judges."""

import numpy as np
import pytest
import torch
from networks import loaded, mlp

from verixplain.attack.map import MapAttack, rounded


def plan_of(activation: str = "Relu"):
    return loaded(mlp((4, 8, 8, 3), activation)).plan.to(torch.float64, "cpu")


@pytest.mark.parametrize("activation", ["Relu", "LeakyRelu", "Tanh"])
def test_the_copy_is_near_the_network_and_has_second_derivatives(activation):
    plan = plan_of(activation)
    x = torch.full((2, 4), 0.4, dtype=torch.float64).requires_grad_()
    smooth, exact = rounded(plan, x[:1].detach())(x)[plan.output], plan.run(x)[plan.output]
    assert (smooth - exact).abs().max() < 0.5
    (slope,) = torch.autograd.grad(smooth[:, 0].sum(), x, create_graph=True)
    (bend,) = torch.autograd.grad(slope.square().sum(), x)
    assert bend.abs().max() > 0


def climb(low: float, high: float, seed: int = 0, dtype: type = np.float32, **chosen):
    ends = np.full(3, low), np.full(3, high)

    def height(points: torch.Tensor) -> torch.Tensor:
        return points.sum(1) - 2.5

    return MapAttack(seed=seed).run(height, height, *ends, dtype, "cpu", **chosen)


def test_it_reaches_the_top_corner_and_stays_in_the_box():
    point, height = climb(0.1, 0.7)
    assert height == pytest.approx(-0.4, abs=1e-6)
    assert (point >= 0.1).all()
    assert (point <= 0.7).all()
    assert (point.astype(np.float32) == point).all()


def test_it_ends_at_what_is_enough_and_when_it_is_told_to():
    _, height = climb(0.0, 1.0)
    assert 0 < height < 0.5
    assert climb(0.0, 1.0, enough=np.inf)[1] == pytest.approx(0.5)
    stopped = climb(0.0, 0.5, stop=lambda: True)[1]
    assert stopped < climb(0.0, 0.5)[1]


def test_the_seed_decides():
    one, two, other = climb(0.0, 1.0, 1), climb(0.0, 1.0, 1), climb(0.0, 1.0, 2)
    assert (one[0] == two[0]).all()
    assert (one[0] != other[0]).any()


def test_points_that_do_not_count_are_not_returned_for_their_height():
    def judge(points: torch.Tensor) -> torch.Tensor:
        total = points.sum(1)
        return torch.where(total < 1.5, total, -torch.inf)

    ends = np.zeros(3), np.ones(3)
    point, height = MapAttack().run(
        lambda points: points.sum(1), judge, *ends, np.float32, "cpu", np.inf
    )
    assert point.sum() < 1.5
    assert height == pytest.approx(point.sum())
