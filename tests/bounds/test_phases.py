"""Parts of boxes: what is in a phase lies in its part, and no number lies outside its ends."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from certify.map_cases import piecewise
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import cnn, loaded, mlp, residual
from oracle import exact_values, region_points

from bounds.test_jacobian import boxed
from verixplain.bounds import Engine
from verixplain.bounds.phases import Phases
from verixplain.query import Box

NETWORKS = {"mlp": lambda: mlp((4, 12, 12, 3)), "leaky": lambda: mlp((4, 12, 12, 3), "LeakyRelu"),
            "cnn": lambda: cnn((1, 3, 4)), "residual": residual}  # fmt: skip


def tree_of(network, box) -> Phases:
    engine = Engine.of(network, "float64", "cpu")
    low, high = engine.tensor(box.lower)[None], engine.tensor(box.upper)[None]
    return Phases(engine, low, high, torch.eye(network.outputs, dtype=torch.float64)[:1])


def leaves(tree: Phases, depth: int):
    """All parts after so many splits, each of the widest neuron."""
    known = [tree.whole]
    for _ in range(depth):
        made = []
        for part in known:
            width = torch.minimum(-part.low, part.high)
            if not len(width) or not float(width.max()) > 0:
                made.append(part)
                continue
            neuron = int(width.argmax())
            sides = [tree.split(part, neuron, phase) for phase in (1, -1)]
            made += [side for side in sides if side is not None]
        known = made
    return known


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_every_point_lies_in_a_part_and_its_numbers_in_the_ends(name):
    network = loaded(NETWORKS[name]())
    box = boxed(network, 0.3)
    tree = tree_of(network, box)
    parts = leaves(tree, 4)
    assert len(parts) > 4
    points = np.random.default_rng(0).uniform(box.lower, box.upper, (500, *box.center.shape))
    values = Engine.of(network, "float64", "cpu").exact.run(torch.as_tensor(points))
    numbers = torch.stack([values[name].flatten(1)[:, k] for name, k in tree.neurons], 1)
    found = torch.zeros(len(points), dtype=torch.bool)
    for part in parts:
        inside = torch.ones(len(points), dtype=torch.bool)
        for neuron, phase in part.phases:
            inside &= numbers[:, neuron] * phase >= 0
        assert (part.low <= numbers[inside]).all()
        assert (numbers[inside] <= part.high).all()
        found |= inside
    assert found.all()


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 2.0))
def test_points_of_every_activation_region_in_rationals(seed, radius):
    network = loaded(mlp((2, 4, 3, 2), seed=seed))
    box = boxed(network, radius, seed)
    tree = tree_of(network, box)
    parts = leaves(tree, 3)
    for point in region_points(network, box):
        values = exact_values(network.plan, point)
        numbers = [values[name].ravel()[place] for name, place in tree.neurons]
        held = 0
        for part in parts:
            if any(numbers[neuron] * phase < 0 for neuron, phase in part.phases):
                continue
            held += 1
            ends = zip(part.low.tolist(), numbers, part.high.tolist(), strict=True)
            assert all(Fraction(low) <= number <= Fraction(high) for low, number, high in ends)
        assert held > 0


def test_a_condition_says_something_of_other_neurons():
    """Of the part where one is active others are narrower than in the box."""
    network = loaded(mlp((4, 16, 16, 3)))
    tree = tree_of(network, boxed(network, 0.3))
    neuron = int(torch.minimum(-tree.whole.low, tree.whole.high).argmax())
    sides = [tree.split(tree.whole, neuron, phase) for phase in (1, -1)]
    for side in sides:
        width = (side.high - side.low) / (tree.whole.high - tree.whole.low)
        width[neuron] = 1.0
        assert float(width.min()) < 0.95


def test_a_part_that_cannot_be_is_none():
    """`x + 2 y` is not above 0.1 and below -0.1 at once; what is equal is in one phase."""
    box = Box.around(np.zeros(2), 1.0)
    apart = tree_of(loaded(piecewise([[1, 2], [-1, -2]], [-0.1, -0.1], [[1, 1], [0, 0]])), box)
    active = apart.split(apart.whole, 0, 1)
    assert apart.split(active, 1, 1) is None
    assert apart.split(active, 1, -1) is not None
    equal = tree_of(loaded(piecewise([[1, 2], [1, 2]], [0, 0], [[1, 1], [0, 0]])), box)
    assert float(equal.split(equal.whole, 0, 1).low[1]) == pytest.approx(0.0, abs=1e-9)
    assert float(equal.split(equal.whole, 0, -1).high[1]) == pytest.approx(0.0, abs=1e-9)


def test_held_neurons_have_the_slope_of_their_phase():
    network = loaded(mlp((4, 12, 12, 3)))
    tree = tree_of(network, boxed(network, 0.3))
    parts = leaves(tree, 2)
    values = tree.inside(parts)
    for number, part in enumerate(parts):
        for neuron, phase in part.phases:
            name, place = tree.neurons[neuron]
            low, high = (end[number].flatten()[place] for end in values[name])
            assert (low > 0) if phase > 0 else (high < 0)


def test_corners_raise_and_lower_neurons():
    network = loaded(mlp((4, 12, 12, 3)))
    box = boxed(network, 0.3)
    tree, count = tree_of(network, box), 0
    single = torch.eye(len(tree.neurons), dtype=torch.float64)
    run = Engine.of(network, "float64", "cpu").exact.run
    for number, (name, place) in enumerate(tree.neurons):
        pair = torch.stack([single[number], -single[number]])
        up, down = run(tree.corners(pair))[name].flatten(1)[:, place].tolist()
        count += up > 0 > down
    assert count > len(tree.neurons) / 2
