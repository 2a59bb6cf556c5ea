import numpy as np
import pytest

from attribution.settings import digits, linear, query
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
