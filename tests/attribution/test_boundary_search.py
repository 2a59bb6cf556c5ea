"""The search for the nearest boundary point, and what bounds prove about it."""

import networks
import numpy as np
import pytest

from attribution.settings import digits, linear, query
from verixplain import Box, Query, Target
from verixplain.attack.boundary import BoundarySearch
from verixplain.bounds.radius import Nearness
from verixplain.errors import SettingError, TargetError

ATTACKS = ("deepfool", "pgd", "auto-pgd", "cw")
W, X = np.array([[1.0, -2.0, 0.5], [0.0, 0.0, 0.0]]), np.array([1.0, -1.0, 0.5], "f4")


@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("attack", ATTACKS)
def test_on_a_linear_network_every_attack_comes_near_the_foot_on_the_boundary(attack, norm):
    of = linear(W)
    found = BoundarySearch((attack,), norm).run(query(of, X, 0))
    value = float(W[0] @ X)
    exact = value / (np.linalg.norm(W[0]) if norm == "l2" else np.abs(W[0]).sum())
    assert found.found
    assert found.attack == attack
    assert exact * (1 - 1e-6) <= found.distance <= exact * 1.02
    assert of(found.point[None])[0, 0] <= 1e-5


def test_after_the_search_the_foot_is_exact():
    found = BoundarySearch().run(query(linear(W), X, 0))
    foot = X - (W[0] @ X) / (W[0] @ W[0]) * W[0]
    np.testing.assert_allclose(found.point, foot, atol=1e-5)


def test_the_point_is_just_beyond_the_boundary_and_the_model_can_be_run_on_it():
    of, x = digits()
    for one in x[:4]:
        asked = query(of, one)
        found = BoundarySearch(steps=20).run(asked, of.card.clip(one.shape))
        assert (found.point == found.point.astype("f4")).all()
        assert found.point.min() >= 0
        assert found.point.max() <= 1
        outputs = of(found.point[None])[0]
        gap = outputs[asked.target.label_index] - np.delete(outputs, asked.target.label_index).max()
        assert abs(gap) < 1e-3
        back = one + 0.999 * (found.point - one)
        assert of(back[None])[0].argmax() == asked.target.label_index
        assert found.distance == min(found.distance, *found.distances.values())


def test_what_no_attack_can_reach_is_no_boundary_point():
    of = linear([[0.0, 0.0], [0.0, 0.0]], [1.0, 0.0])  # always class 0
    asked = query(of, np.array([1, 2], "f4"), 0)
    found = BoundarySearch(steps=5).run(asked)
    assert not found.found
    assert found.distance == np.inf
    assert set(found.distances.values()) == {np.inf}


def test_the_data_range_is_not_left():
    of, x = linear([[1.0], [0.0]]), np.array([0.5], "f4")
    asked = query(of, x, 0)
    assert BoundarySearch(steps=5).run(asked).found
    assert not BoundarySearch(steps=5).run(asked, (np.array(0.1), np.array(1.0))).found


def test_an_input_of_another_class_has_no_boundary():
    with pytest.raises(TargetError, match="does not hold at the input"):
        BoundarySearch().run(query(linear(W), X, 1))


def test_rows_have_a_boundary_too():
    of, x = linear([[1.0, 1.0]]), np.array([1, 1], "f4")
    target = Target.rows(np.array([[1.0]]), np.array([-3.0]))  # y <= 3
    found = BoundarySearch(steps=10).run(Query(of, Box.around(x, 0), target))
    assert found.point.sum() == pytest.approx(3, abs=1e-4)


@pytest.mark.parametrize(
    "settings",
    [{"attacks": ("fgsm",)}, {"attacks": ()}, {"norm": "l1"}, {"steps": 0}, {"restarts": 0}],
)
def test_settings_that_cannot_be_are_refused(settings):
    with pytest.raises(SettingError):
        BoundarySearch(**settings)


def test_the_proved_radius_lies_below_the_distance_and_is_nearly_exact_on_a_linear_network():
    of = linear(W)
    exact = float(W[0] @ X) / np.abs(W[0]).sum()
    near = Nearness(of, Target.label(0), rounds=14)
    assert 0.999 * exact < near.radius(X, 2 * exact) < exact


def test_no_point_in_the_proved_ball_is_of_another_class():
    of, x = digits("digits_mlp")
    label = int(of(x[:1]).argmax())
    radius = Nearness(of, Target.label(label)).radius(x[0], 1.0)
    found = BoundarySearch(norm="linf").run(query(of, x[0]))
    assert 0 < radius < found.distance
    draws = np.random.default_rng(0).uniform(-radius, radius, (500, 1, 8, 8)).astype("f4")
    draws[250:] = np.sign(draws[250:]) * radius
    assert (of(x[0] + draws).argmax(1) == label).all()


def test_the_segment_is_proved_up_to_the_boundary_and_no_further():
    near = Nearness(linear(W), Target.label(0), pieces=40)
    beyond = X - 2 * (W[0] @ X) / (W[0] @ W[0]) * W[0]  # the boundary is half way
    share = near.segment(X, beyond)
    assert 0.4999 < share <= 0.5
    assert near.segment(X, X) == 1.0


def test_a_segment_that_leaves_the_class_on_its_way_is_not_proved():
    model = networks.mlp((1, 2, 2), seed=0)
    from onnx import numpy_helper

    # class 0 wins where |x - 1| > 0.5: relu(x - 1) + relu(1 - x) - 0.5 against 0
    values = {"w0": [[1], [-1]], "b0": [-1, 1], "w1": [[1, 1], [0, 0]], "b1": [-0.5, 0]}
    for tensor in model.graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(np.array(values[tensor.name], "f4"), tensor.name))
    near = Nearness(networks.loaded(model), Target.label(0), pieces=40)
    assert 0.2499 < near.segment(np.array([0.0]), np.array([2.0])) <= 0.25
