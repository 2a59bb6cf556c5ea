"""Every true gradient lies in its enclosure: judged in rationals where they exist."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from laws.small import averaged, batchnorm, cancelling, pooled, product, softmax_inside
from networks import cnn, loaded, mlp, residual
from oracle import corners, exact_gradients

from verixplain.bounds import Engine, jacobian
from verixplain.bounds.enclosure import enclose
from verixplain.bounds.jacobian import derivative, gradients, in_parts
from verixplain.errors import UnsupportedBoundError
from verixplain.network import Network
from verixplain.network.primitives import MaxPool, Univariate
from verixplain.query import Box

EXACT = {
    "mlp": lambda: mlp((4, 8, 8, 3)),
    "leaky": lambda: mlp((4, 8, 8, 3), "LeakyRelu"),
    "cnn": lambda: cnn((1, 2, 2), 5),
    "residual": lambda: residual(2, 4),
    "pooled": lambda: pooled(2),
    "overlapping pools": lambda: pooled(2, 3, 1),
    "averaged": averaged,
    "cancelling": cancelling,
}
CURVED = {
    "softmax inside": softmax_inside,
    "batchnorm": batchnorm,
    "sigmoid": lambda: mlp((4, 8, 8, 3), "Sigmoid"),
    "tanh": lambda: mlp((4, 8, 8, 3), "Tanh"),
    "softplus": lambda: mlp((4, 8, 8, 3), "Softplus"),
    "elu": lambda: mlp((4, 8, 8, 3), "Elu"),
    "gelu": lambda: mlp((4, 8, 8, 3), "Gelu", opset=20),
}


def boxed(network: Network, radius: float, seed: int = 0) -> Box:
    x = np.random.default_rng(seed).uniform(0, 1, network.input_shape).astype(network.input_dtype)
    return Box.around(x, radius)


def enclosed(network: Network, box: Box, **chosen):
    engine = Engine.of(network, "float64", "cpu")
    values = enclose(engine.exact, engine.tensor(box.lower)[None], engine.tensor(box.upper)[None])
    ends = {name: (known.lower, known.upper) for name, known in values.items()}
    rows = torch.eye(network.outputs, dtype=torch.float64)
    rows = rows.reshape(-1, *engine.exact.shapes[engine.exact.output])
    return gradients(engine.exact, rows, ends, **chosen)


def points(box: Box, count: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    yield from list(corners(box, count, seed))[:count]
    for _ in range(count):
        yield rng.uniform(box.lower, box.upper)


def assert_inside(found, truth: np.ndarray, seed: int = 0) -> None:
    """In the interval, and below the support of the zonotope in random directions."""
    rng = np.random.default_rng(seed)
    for row, true in enumerate(truth):
        low, high = found.lower[row].tolist(), found.upper[row].tolist()
        for a, j, b in zip(low, true, high, strict=True):
            assert Fraction(a) <= j <= Fraction(b)
        for _ in range(3):
            direction = [Fraction(int(n)) for n in rng.integers(-3, 4, len(true))]
            reach = _dot(direction, found.centre[row])
            reach += sum((abs(_dot(direction, g)) for g in found.symbols[row]), Fraction(0))
            reach += _dot([abs(d) for d in direction], found.rest[row])
            assert sum(d * j for d, j in zip(direction, true, strict=True)) <= reach


def _dot(direction: list, vector: torch.Tensor) -> Fraction:
    pairs = zip(direction, vector.tolist(), strict=True)
    return sum((d * Fraction(v) for d, v in pairs if d and v), Fraction(0))


@pytest.mark.parametrize("radius", [0.0, 0.05, 0.5])
@pytest.mark.parametrize("name", sorted(EXACT))
def test_exact_gradients_lie_inside(name, radius):
    network = loaded(EXACT[name]())
    box = boxed(network, radius)
    found = [enclosed(network, box), enclosed(network, box, kinks=True)]
    found += [enclosed(network, box, symbols=0), enclosed(network, box, symbols=3)]
    for point in points(box, 2):
        truth = exact_gradients(network, point)
        for one in found:
            assert_inside(one, truth)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.0, 1.0), st.sampled_from(["Relu", "LeakyRelu"]))
def test_exact_gradients_of_random_networks_lie_inside(seed, radius, activation):
    network = loaded(mlp((3, 4, 3, 2), activation, seed=seed))
    box = boxed(network, radius, seed)
    found = enclosed(network, box)
    for point in points(box, 3, seed):
        assert_inside(found, exact_gradients(network, point), seed)


@pytest.mark.parametrize("radius", [0.02, 0.3, 2.0])
@pytest.mark.parametrize("name", sorted(CURVED))
def test_gradients_of_curved_functions_lie_inside(name, radius):
    network = loaded(CURVED[name]())
    box = boxed(network, radius)
    found = enclosed(network, box)
    plan = network.plan.to(torch.float64, "cpu")
    for point in points(box, 30):
        x = torch.tensor(point)[None].requires_grad_()
        output = plan.run(x)[plan.output][0]
        for row in range(len(output)):
            (true,) = torch.autograd.grad(output[row], x, retain_graph=True)
            assert (found.lower[row] <= true.flatten()).all()
            assert (true.flatten() <= found.upper[row]).all()


def test_a_derivative_that_never_changes_sign_is_bounded_by_zero():
    """Sigmoid over its bend: between the smaller slope at the ends and a quarter."""
    network = loaded(mlp((4, 8, 8, 3), "Sigmoid"))
    kind = next(s.kind for s in network.plan.steps if isinstance(s.kind, Univariate))
    low, high = torch.tensor([-1.0, -40.0, 1.0]).double(), torch.tensor([2.0, 50.0, 2.0]).double()
    least, most = derivative(kind, low, high, False, "here")
    assert least[0] == pytest.approx(float(kind.slope(high[0])), abs=1e-6)
    assert most[0] == pytest.approx(0.25)
    assert least[1] >= -1e-300
    assert least[2] == pytest.approx(float(kind.slope(high[2])), abs=1e-12)
    assert most[2] == pytest.approx(float(kind.slope(low[2])), abs=1e-12)


def test_a_zonotope_is_tighter_where_a_neuron_moves_several_entries():
    """The sum of the gradient's entries, through one unstable neuron: `relu(x1 - x2)`."""
    found = enclosed(loaded(mlp((4, 1, 6, 2), seed=1)), boxed(loaded(mlp((4, 1, 6, 2))), 1.0))
    direction = torch.sign(found.centre)
    with_symbols = (direction[:, None] * found.symbols).sum(-1).abs().sum(1)
    without = found.symbols.abs().sum((1, 2))
    assert (with_symbols <= without).all()
    signs = torch.tensor([1.0, -1.0, 1.0, -1.0]).double()
    assert ((signs * found.symbols).sum(-1).abs().sum(1) < without * 0.999).any()


def test_at_zero_exactly_a_neuron_is_active_but_open_for_gradient_maps():
    """Trap: the gradient at `l = 0`. The box ends where the neuron is 0."""
    kind = next(s.kind for s in loaded(mlp()).plan.steps if isinstance(s.kind, Univariate))
    low, high = torch.tensor([0.0, -1.0, 0.0]).double(), torch.tensor([1.0, 0.0, 0.0]).double()
    least, most = derivative(kind, low, high, False, "here")
    assert least.tolist() == [1.0, 0.0, 1.0]
    assert most.tolist() == [1.0, 0.0, 1.0]
    least, most = derivative(kind, low, high, True, "here")
    assert least.tolist() == [0.0, 0.0, 0.0]
    assert most.tolist() == [1.0, 1.0, 1.0]


def test_a_tie_in_a_window_is_open():
    """Max pooling is [1, 1] only under strict dominance."""
    kind = MaxPool((2,))
    low = torch.tensor([[[1.0, 0.0, 1.0, 0.0]]]).double()
    high = torch.tensor([[[2.0, 1.0, 2.0, 0.5]]]).double()
    least, most = jacobian._choices(kind, low, high)
    assert least.flatten().tolist() == [0.0, 0.0, 1.0, 0.0]
    assert most.flatten().tolist() == [1.0, 1.0, 1.0, 0.0]


def test_products_are_refused_by_name():
    network = loaded(product())
    with pytest.raises(UnsupportedBoundError, match="node 'gate'"):
        enclosed(network, boxed(network, 0.1))


def test_parts_are_the_whole():
    network = loaded(cnn())
    box = boxed(network, 0.1)
    whole = enclosed(network, box)
    engine = Engine.of(network, "float64", "cpu")
    values = enclose(engine.exact, engine.tensor(box.lower)[None], engine.tensor(box.upper)[None])
    ends = {name: (known.lower, known.upper) for name, known in values.items()}
    rows = torch.eye(network.outputs, dtype=torch.float64)
    for memory in (1, 10**5, 10**9):
        parts = list(in_parts(engine.exact, rows, ends, memory))
        assert [start for start, _ in parts] == sorted({start for start, _ in parts})
        lower = torch.cat([part.lower for _, part in parts])
        assert lower.shape == whole.lower.shape
        if memory == 10**9:
            torch.testing.assert_close(lower, whole.lower)


def test_boxes_of_a_batch_do_not_mix():
    """Rows may belong to different boxes, each with intervals of its own."""
    network = loaded(residual())
    engine = Engine.of(network, "float64", "cpu")
    boxes = [boxed(network, 0.02, 1), boxed(network, 0.3, 2)]
    rows = torch.eye(network.outputs, dtype=torch.float64)[:1]
    low, high = (
        engine.tensor(np.stack([getattr(b, s) for b in boxes])) for s in ("lower", "upper")
    )
    values = {n: (v.lower, v.upper) for n, v in enclose(engine.exact, low, high).items()}
    both = gradients(engine.exact, rows.expand(2, -1), values)
    for number in range(2):
        own = {n: (a[number : number + 1], b[number : number + 1]) for n, (a, b) in values.items()}
        alone = gradients(engine.exact, rows, own)
        torch.testing.assert_close(both.lower[number], alone.lower[0])
        torch.testing.assert_close(both.upper[number], alone.upper[0])


def test_without_the_remainder_rounding_breaks_the_enclosure(monkeypatch):
    """The mutation that `rest` and the slacks are there for."""
    broken = 0
    monkeypatch.setattr(jacobian, "gamma", lambda terms, unit: 0.0)
    monkeypatch.setattr(jacobian, "UNIT64", 0.0)
    monkeypatch.setattr(jacobian, "_TINY", 0.0)
    for seed in range(10):
        network = loaded(mlp((6, 16, 16, 3), seed=seed))
        box = boxed(network, 0.0, seed)
        found = enclosed(network, box)
        truth = exact_gradients(network, box.center)
        exact = found.centre.tolist()
        for row, true in enumerate(truth):
            rest = found.rest[row].tolist()
            pairs = zip(exact[row], true, rest, strict=True)
            broken += any(abs(Fraction(c) - j) > Fraction(r) for c, j, r in pairs)
    assert broken > 0
