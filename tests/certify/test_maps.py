"""Where maps lie over boxes: every true map inside, judged in rationals without tolerance."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import cnn, loaded, mlp, model, residual
from onnx import helper
from oracle import corners, region_points

from certify.map_cases import SMALL, exact_map, inside, piecewise, query, search
from verixplain.certify.maps import integrated_gradients, maps
from verixplain.certify.maps._arithmetic import narrowed
from verixplain.errors import NoBoundaryError, RegionError, UnsupportedMethodError
from verixplain.features import Groups
from verixplain.network import Network
from verixplain.query import Box, Query, Target
from verixplain.registry import methods

EXACT = ["saliency", "gradient-times-input", "integrated-gradients", "smoothgrad"]
"""Maps that can be computed in rationals."""


def boxed(network: Network, radius: float, seed: int = 0) -> Box:
    x = np.random.default_rng(seed).uniform(0, 1, network.input_shape).astype(network.input_dtype)
    return Box.around(x, radius)


def region(one, box: Box):
    return one.region((box.lower, box.upper))[0]


@settings(max_examples=500, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.0, 2.0), st.sampled_from(["Relu", "LeakyRelu"]))
def test_the_maps_of_every_activation_region_lie_inside(seed, radius, activation):
    network = loaded(mlp((2, 3, 2, 2), activation, seed=seed))
    box = boxed(network, radius, seed)
    one = search(query(network, box), "saliency")
    found = region(one, box)
    for point in region_points(network, box):
        assert inside(found.lower, found.upper, exact_map(one, point))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10_000),
    st.floats(0.0, 0.5),
    st.sampled_from(EXACT),
    st.sampled_from(["midpoint", "left", "gauss-legendre", "trapezoid"]),
)
def test_maps_of_random_networks_lie_inside(seed, radius, name, rule):
    network = loaded(mlp((3, 4, 3, 2), seed=seed))
    box = boxed(network, radius, seed)
    chosen = SMALL[name] | ({"rule": rule} if name == "integrated-gradients" else {})
    one = search(query(network, box, 1), name, **chosen)
    found = region(one, box)
    known = narrowed(found)
    weights = torch.tensor([[1, -1, 0], [-1, -1, 0], [0, 2, 1]], dtype=torch.float64)
    most = found.above(weights, 0).tolist()
    for point in [box.center, *list(corners(box, 2, seed))[:2]]:
        truth = exact_map(one, point, 1)
        assert inside(known.lower, known.upper, truth)
        for weight, end in zip(weights.tolist(), most, strict=True):
            assert sum(Fraction(w) * t for w, t in zip(weight, truth, strict=True)) <= end


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("make", [mlp, lambda: cnn((1, 2, 2), 5), lambda: residual(2, 4)])
def test_group_scores_are_sums_and_lie_inside(make, name):
    network = loaded(make())
    box = boxed(network, 0.1)
    count = box.center.size
    groups = Groups.columns(box.center.shape, {"a": [0, 2], "b": [1], "all": list(range(count))})
    one = search(query(network, box, 1, groups), name, **SMALL[name])
    found = region(one, box)
    for point in list(corners(box, 2))[:2]:
        scores = exact_map(one, point, 1)
        sums = [sum((scores[i] for i in u), Fraction(0)) for u in groups.members]
        assert inside(found.lower, found.upper, sums)
        most = found.above(torch.tensor([[1.0, 0.0, -1.0]]).double(), 0)
        assert sums[0] - sums[2] <= Fraction(float(most))


NETWORKS = {"mlp": mlp, "gelu": lambda: mlp((4, 8, 8, 3), "Gelu", opset=20), "cnn": cnn,
            "tanh": lambda: mlp((4, 8, 8, 3), "Tanh"), "residual": residual}  # fmt: skip


@pytest.mark.parametrize("quantity", ["class", "margin"])
@pytest.mark.parametrize("make", sorted(NETWORKS))
@pytest.mark.parametrize("name", sorted(maps))
def test_every_map_is_the_one_shown_and_holds_samples(name, make, quantity):
    network = loaded(NETWORKS[make]())
    box = boxed(network, 0.2, 3)
    label = int(network(box.center[None].astype("f4"))[0].argmax())
    chosen = SMALL.get(name, {}) | {"quantity": quantity}
    try:
        one = search(query(network, box, label), name, **chosen)
    except UnsupportedMethodError:
        assert name == "grad-cam"
        assert box.center.ndim == 1 or quantity == "margin"
        return
    except NoBoundaryError:
        assert (name, make) == ("bsm", "residual")
        return
    shown = methods[name](device="cpu", **chosen).explain(query(network, box, label))
    at_center = one.map.at(one.shown, one.map.slopes.explained.x[None])[0]
    np.testing.assert_allclose(at_center.numpy(), shown.map, rtol=1e-12, atol=1e-15)
    found = region(one, box)
    rng = np.random.default_rng(0)
    points = rng.uniform(box.lower, box.upper, (200, *box.center.shape))
    scores = one.scores(one.shown, torch.as_tensor(points))
    assert (found.lower <= scores).all()
    assert (scores <= found.upper).all()
    if found.above is not None:
        weights = torch.randint(-1, 2, (5, scores.shape[1])).double()
        slack = 1e-12 * (weights.abs() @ scores.abs().amax(0))  # of the samples' own sums
        assert ((weights @ scores.T).amax(1) <= found.above(weights, 0) + slack).all()
    halves = [(box.lower, box.center), (box.center, box.upper)]
    for (low, high), half in zip(halves, one.region(*halves), strict=True):
        points = rng.uniform(low, high, (50, *low.shape))
        scores = one.scores(one.shown, torch.as_tensor(points))
        assert (half.lower <= scores).all()
        assert (scores <= half.upper).all()


def test_at_a_kink_every_choice_of_derivative_is_covered():
    """Trap: the gradient at `l = 0`. Both neighbours' slopes lie inside, at the point itself."""
    network = loaded(piecewise([[1.0]], [0.0], [[3.0], [0.0]]))
    for box in (Box(np.zeros(1), np.zeros(1), np.ones(1)), Box.around(np.zeros(1), 0.0)):
        one = search(query(network, box), "saliency")
        found = region(one, box)
        assert found.lower[0, 0] <= 0.0
        assert found.upper[0, 0] >= 3.0


def test_at_an_end_that_is_exactly_at_the_kink_both_slopes_are_covered():
    """The neuron acts on the input itself, so its interval is not widened: it begins at 0."""
    nodes = [
        helper.make_node("Relu", ["x"], ["a"], "relu"),
        helper.make_node("Gemm", ["a", "v", "e"], ["y"], "last", transB=1),
    ]
    constants = {"v": np.array([[3.0], [0.0]], "f4"), "e": np.zeros(2, "f4")}
    network = loaded(model(nodes, constants, ("batch", 1)))
    for upper in (0.0, 1.0):
        box = Box(np.zeros(1), np.zeros(1), np.full(1, upper))
        found = region(search(query(network, box), "saliency"), box)
        assert found.lower[0, 0] <= 0.0
        assert found.upper[0, 0] >= 3.0


def test_segments_cover_the_true_integral():
    """Of one hidden layer, in rationals, from kink to kink along the path."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        first, bias, last = rng.normal(size=(4, 3)), rng.normal(size=4), rng.normal(size=(2, 4))
        network = loaded(piecewise(first, bias, last))
        box = Box.around(rng.uniform(0, 1, 3).astype("f4"), 0.05)
        one = search(query(network, box), "integrated-gradients", steps=4)
        found = region(one, box)
        w, b, v = (
            [[Fraction(float(np.float32(x))) for x in row] for row in np.atleast_2d(part)]
            for part in (first, bias, last)
        )
        for point in list(corners(box, 8))[:4]:
            x = [Fraction(float(value)) for value in point]
            total = [Fraction(0)] * 3
            for row, offset, weight in zip(w, b[0], v[0], strict=True):
                rise = sum(a * c for a, c in zip(row, x, strict=True))
                kink = -offset / rise if rise else Fraction(2)
                kink = min(max(kink, Fraction(0)), Fraction(1))
                share = (1 - kink if rise > 0 else kink) if rise else Fraction(int(offset > 0))
                total = [t + c * weight * a * share for t, c, a in zip(total, x, row, strict=True)]
            assert inside(found.lower, found.upper, total)


def test_gauss_legendre_under_the_segment_formula_is_a_trap(monkeypatch):
    """Its nodes weigh other than 1/m: by segments its own map would not be covered."""
    network = loaded(piecewise([[1.0]], [-0.4], [[1.0], [0.0]]))
    box = Box.around(np.ones(1), 1e-5)
    chosen = {"steps": 3, "rule": "gauss-legendre"}
    one = search(query(network, box), "integrated-gradients", **chosen)
    truth = exact_map(one, box.center)
    found = region(one, box)
    assert inside(found.lower, found.upper, truth)
    monkeypatch.setattr(integrated_gradients, "SEGMENTS", ("gauss-legendre",))
    wrong = region(one, box)
    assert not inside(wrong.lower, wrong.upper, truth)


def test_the_factor_of_integrated_gradients_ranges_over_the_ball():
    """Trap: `x - b` at the center only. Of `3 x` the scores at the ends are `3 (x -+ r)`."""
    network = loaded(piecewise([[1.0]], [5.0], [[3.0], [0.0]]))
    box = Box.around(np.ones(1), 0.25)
    one = search(query(network, box), "integrated-gradients", steps=2)
    found = region(one, box)
    assert found.lower[0, 0] == pytest.approx(2.25)
    assert found.upper[0, 0] == pytest.approx(3.75)
    for point in (box.lower, box.upper):
        assert inside(found.lower, found.upper, exact_map(one, point))


def test_a_kink_outside_the_data_range_does_not_count_and_a_center_outside_is_refused():
    network = loaded(piecewise([[1.0]], [-1.25], [[3.0], [0.0]]))
    inside_range = Box.around(np.full(1, 0.875), 0.5, (0.0, 1.0))
    one = search(query(network, inside_range), "saliency")
    assert float(region(one, inside_range).upper[0, 0]) < 1e-9
    beyond = Box.around(np.full(1, 0.875), 0.5)
    assert float(region(search(query(network, beyond), "saliency"), beyond).upper[0, 0]) >= 3.0
    with pytest.raises(RegionError, match="center must lie in its box"):
        Box.around(np.full(1, 1.5), 0.5, (0.0, 1.0))


def test_the_margin_is_over_every_class_that_can_be_the_best_other():
    """Classes 1 and 2 change places within the box, so both of their gradients lie inside."""
    network = loaded(
        piecewise([[1.0], [-1.0]], [9.0, 9.0], [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], (9, 0, 0))
    )
    box = Box.around(np.zeros(1), 0.5)
    found = region(search(query(network, box), "saliency", quantity="margin"), box)
    assert found.lower[0, 0] <= -1.0
    assert found.upper[0, 0] >= 1.0
    apart = Box(np.full(1, 0.25), np.full(1, 0.125), np.full(1, 0.5))
    found = region(search(query(network, apart), "saliency", quantity="margin"), apart)
    assert found.upper[0, 0] == pytest.approx(-1.0)


def test_a_probability_is_refused():
    network = loaded(mlp())
    asked = Query(network, boxed(network, 0.1), Target.label(0))
    with pytest.raises(UnsupportedMethodError, match="probability"):
        search(asked, "saliency", quantity="probability")


@pytest.mark.parametrize("name", EXACT)
def test_sides_without_width_are_no_trap(name):
    network = loaded(mlp((4, 8, 8, 3)))
    x = np.random.default_rng(1).uniform(0, 1, 4).astype("f4")
    box = Box.around(x, np.array([0.3, 0.0, 0.0, 0.2]))
    one = search(query(network, box), name, **SMALL[name])
    found = region(one, box)
    for point in corners(box):
        assert inside(found.lower, found.upper, exact_map(one, point))


@pytest.mark.parametrize("name", ["saliency", "integrated-gradients", "grad-cam"])
def test_boxes_together_are_what_they_are_alone(name):
    network = loaded(cnn())
    parts = [boxed(network, radius, seed) for radius, seed in ((0.02, 1), (0.3, 2), (0.0, 3))]
    ends = [(part.lower, part.upper) for part in parts]
    one = search(query(network, parts[0], 1), name, **SMALL.get(name, {}))
    for together, (low, high) in zip(one.region(*ends), ends, strict=True):
        (alone,) = one.region((low, high))
        torch.testing.assert_close(together.lower, alone.lower, rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(together.upper, alone.upper, rtol=1e-9, atol=1e-12)
