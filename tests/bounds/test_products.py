"""Linear bounds of gradients: no true gradient is above one, judged in rationals."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from certify.map_cases import piecewise
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import cnn, loaded, mlp
from oracle import exact_gradients, region_points

from bounds.test_jacobian import CURVED, EXACT, boxed, enclosed, points
from verixplain.bounds import Engine, _lirpa, products
from verixplain.bounds.enclosure import enclose
from verixplain.bounds.jacobian import gradients
from verixplain.bounds.products import chords
from verixplain.certify.maps._arithmetic import cut, narrowed
from verixplain.query import Box

WEIGHTS = torch.tensor([[1, 0, 0, 0], [-1, 0, 0, 0], [1, -1, 0, 0], [-1, -1, 2, 1]]).double()


def weights(inputs: int) -> torch.Tensor:
    """Of one entry, of two that are compared, and of several; on any number of inputs."""
    return torch.nn.functional.pad(WEIGHTS, (0, max(0, inputs - 4)))[:, :inputs]


def assert_below(found, truth: np.ndarray) -> None:
    """Every weighed sum of every row's true gradient is at most its linear bound."""
    rows = weights(found.lower.shape[1])
    for number, true in enumerate(truth):
        for weight, most in zip(rows.tolist(), found.above(rows, number).tolist(), strict=True):
            pairs = zip(weight, true, strict=True)
            assert sum((Fraction(w) * j for w, j in pairs if w), Fraction(0)) <= Fraction(most)


finite = st.floats(-100, 100)


@given(st.tuples(finite, finite), st.tuples(finite, finite), st.floats(0, 1), st.floats(0, 1))
def test_no_product_is_outside_its_lines(derivative, gradient, d, g):
    a, b, low, high = *sorted(derivative), *sorted(gradient)
    ends = [torch.tensor([one], dtype=torch.float64) for one in (a, b, low, high)]
    found = chords((ends[0], ends[1]), (ends[2], ends[3]))
    above, below, slack = (Fraction(float(v)) for v in (found.above, found.below, found.slack))
    factors, slopes = (
        [
            Fraction(one),
            Fraction(two),
            Fraction(one) + Fraction(t) * (Fraction(two) - Fraction(one)),
        ]
        for one, two, t in ((a, b, d), (low, high, g))
    )
    for factor in factors:
        for slope in slopes:
            assert below * slope - slack <= factor * slope <= above * slope + slack


def test_the_lines_of_a_relu_are_the_chords():
    one = torch.ones(1, dtype=torch.float64)
    found = chords((0 * one, one), (-one, 3 * one))
    assert float(found.above) == 0.75
    assert float(found.below) == 0.25
    assert float(found.slack) == pytest.approx(0.75)


@pytest.mark.parametrize("radius", [0.0, 0.05, 0.5])
@pytest.mark.parametrize("name", sorted(EXACT))
def test_exact_gradients_are_below(name, radius):
    network = loaded(EXACT[name]())
    box = boxed(network, radius)
    found = [enclosed(network, box, products=True, kinks=True)]
    found += [enclosed(network, box, products=True, symbols=0)]
    for point in points(box, 2):
        truth = exact_gradients(network, point)
        for one in found:
            assert_below(one, truth)


@settings(max_examples=500, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.0, 2.0), st.sampled_from(["Relu", "LeakyRelu"]))
def test_the_gradients_of_every_activation_region_are_below_and_inside(seed, radius, activation):
    network = loaded(mlp((2, 3, 3, 2, 2), activation, seed=seed))
    box = boxed(network, radius, seed)
    found = enclosed(network, box, products=True, kinks=True)
    for point in region_points(network, box):
        truth = exact_gradients(network, point)
        assert_below(found, truth)
        for row, true in enumerate(truth):
            low, high = found.lower[row].tolist(), found.upper[row].tolist()
            for a, j, b in zip(low, true, high, strict=True):
                assert Fraction(a) <= j <= Fraction(b)


@pytest.mark.parametrize("radius", [0.02, 0.3, 2.0])
@pytest.mark.parametrize("name", sorted(CURVED))
def test_gradients_of_curved_functions_are_below(name, radius):
    network = loaded(CURVED[name]())
    box = boxed(network, radius)
    found = enclosed(network, box, products=True)
    rows = weights(found.lower.shape[1])
    plan = network.plan.to(torch.float64, "cpu")
    for point in points(box, 30):
        x = torch.tensor(point)[None].requires_grad_()
        output = plan.run(x)[plan.output][0]
        for row in range(len(output)):
            (true,) = torch.autograd.grad(output[row], x, retain_graph=True)
            assert (rows @ true.flatten() <= found.above(rows, row)).all()
            assert (found.lower[row] <= true.flatten()).all()
            assert (true.flatten() <= found.upper[row]).all()


@pytest.mark.parametrize("make", [lambda: mlp((4, 16, 16, 16, 3)), lambda: cnn((1, 3, 4, 4))])
def test_lines_are_narrower_than_intervals_and_zonotopes(make):
    network = loaded(make())
    box = boxed(network, 0.2)
    plain, lines = enclosed(network, box), enclosed(network, box, products=True)
    assert (lines.lower >= plain.lower).all()
    assert (lines.upper <= plain.upper).all()
    unit = torch.eye(lines.lower.shape[1], dtype=torch.float64)
    reach = plain.symbols.abs().sum(1) + plain.rest
    upper = torch.minimum(plain.upper, plain.centre + reach)
    ours = torch.stack([lines.above(unit, row) for row in range(len(upper))])
    assert float((upper - ours).max()) > 0.01 * float((upper - plain.lower).max())


def test_at_a_kink_both_derivatives_are_below():
    """Trap: the gradient at `l = 0`. The neuron is 0 at the lower end of the box."""
    network = loaded(piecewise([[1.0]], [0.0], [[3.0], [0.0]]))
    box = Box(np.zeros(1), np.zeros(1), np.ones(1))
    found = enclosed(network, box, products=True, kinks=True)
    ends = found.above(torch.tensor([[1.0], [-1.0]]).double(), 0).tolist()
    assert ends[0] >= 3
    assert ends[1] >= 0


def test_without_the_slack_rounding_breaks_the_bounds(monkeypatch):
    """The mutation that the slacks are there for."""
    monkeypatch.setattr(products, "gamma", lambda terms, unit: 0.0)
    monkeypatch.setattr(products, "UNIT64", 0.0)
    monkeypatch.setattr(products, "_TINY", 0.0)
    monkeypatch.setattr(torch, "nextafter", lambda values, towards: values)
    broken = 0
    for seed in range(10):
        network = loaded(mlp((6, 16, 16, 3), seed=seed))
        box = boxed(network, 0.0, seed)
        found = enclosed(network, box, products=True)
        truth, unit = exact_gradients(network, box.center), torch.eye(6, dtype=torch.float64)
        for row, true in enumerate(truth):
            pairs = zip(found.above(unit, row).tolist(), true, strict=True)
            broken += any(Fraction(most) < j for most, j in pairs)
    assert broken > 0


def test_parts_carried_apart_are_what_they_are_together(monkeypatch):
    network = loaded(mlp((4, 16, 16, 16, 3)))
    box = boxed(network, 0.2)
    whole = enclosed(network, box, products=True)
    monkeypatch.setattr(products, "_TOGETHER", 1)
    parts = enclosed(network, box, products=True)
    torch.testing.assert_close(parts.lower, whole.lower, rtol=1e-12, atol=1e-15)
    torch.testing.assert_close(parts.upper, whole.upper, rtol=1e-12, atol=1e-15)


def test_no_wider_than_the_jacobian_bounds_of_auto_lirpa():
    """Theirs carry no allowance for rounding, so they are compared and not used in proofs."""
    library = _lirpa.library().general
    if not hasattr(library.BoundedModule, "compute_jacobian_bounds"):
        pytest.skip("this auto_LiRPA has no Jacobian bounds; 0.4 and later have")
    jacobian = pytest.importorskip("auto_LiRPA.jacobian")
    network = loaded(mlp((4, 16, 16, 16, 1)))
    box, constants = boxed(network, 0.1), network.graph.constants
    layers = []
    for number in range(4):
        weight, bias = (torch.tensor(constants[f"{one}{number}"]).double() for one in "wb")
        made = torch.nn.Linear(weight.shape[1], len(weight)).double()
        made.weight.data, made.bias.data = weight, bias
        layers += [made, torch.nn.ReLU()]
    body = torch.nn.Sequential(*layers[:-1])

    class Explained(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = body

        def forward(self, x):
            x = x.requires_grad_()
            return jacobian.JacobianOP.apply(self.body(x), x)

    low, high = (torch.tensor(end)[None].double() for end in (box.lower, box.upper))
    module = library.BoundedModule(Explained(), (low + high) / 2, device="cpu")
    place = library.PerturbationLpNorm(norm=np.inf, x_L=low, x_U=high)
    point = library.BoundedTensor((low + high) / 2, place)
    below, above = (
        end.detach().flatten() for end in module.compute_jacobian_bounds(point, optimize=False)
    )
    engine = Engine.of(network, "float64", "cpu")
    known = {name: (v.lower, v.upper) for name, v in enclose(engine.exact, low, high).items()}
    relus = [node for node in module.nodes() if type(node).__name__ == "BoundRelu"]
    for name, node in zip(engine.exact.relaxed_inputs(), relus, strict=False):  # the network's
        known[name] = node.inputs[0].lower.detach(), node.inputs[0].upper.detach()
    rows = torch.ones(1, 1, dtype=torch.float64)
    found = gradients(engine.exact, rows, known, kinks=True, products=True)
    found = narrowed(cut(found))
    assert (found.upper[0] - found.lower[0] <= (above - below) * (1 + 1e-6) + 1e-9).all()
