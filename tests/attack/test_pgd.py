"""The attack: its points are in their boxes, representable, and worth what is said."""

from fractions import Fraction

import numpy as np
import oracle
import pytest
from laws import small
from networks import loaded, mlp

from verixplain.attack.pgd import PGD, representable
from verixplain.bounds import lower_at
from verixplain.query import Box, Query, Target


def question(name: str = "mlp-relu", radius: float = 0.3) -> Query:
    network = small.network(name)
    return Query(network, Box.around(small.center(network), radius), Target.label(0))


@pytest.mark.parametrize("name", sorted(small.MAKERS))
def test_points_are_in_their_boxes_bit_for_bit(name):
    query = question(name, 0.1)
    size = query.box.center.size
    frozen = np.random.default_rng(0).random((5, size)) < 0.5
    found = PGD(steps=4).run(query, frozen)
    assert found.points.dtype == query.network.input_dtype
    for held, point in zip(frozen, found.points, strict=True):
        assert query.box.freeze(np.flatnonzero(held)).contains(point.astype(float))
        assert (point.flat[held] == query.box.center.flat[held]).all()
    np.testing.assert_array_equal(
        found.lower, lower_at(query.network, found.points, query.target).max(axis=1)
    )


@pytest.mark.parametrize("name", ["mlp-relu", "mlp-leaky", "cnn", "residual", "maxpool-apart"])
def test_values_are_rigorous_lower_bounds(name):
    query = question(name)
    found = PGD(steps=4).run(query, np.zeros((1, query.box.center.size), dtype=bool))
    rows = oracle.exact_rows(query.network, found.points[0], query.target)
    assert Fraction(float(found.lower[0])) <= max(rows)
    assert float(max(rows)) == pytest.approx(found.lower[0], abs=1e-9)
    assert rows[found.rows[0]] == pytest.approx(max(rows))


def test_it_is_never_worse_than_the_center_and_the_given_start():
    query = question()
    start = query.box.upper.astype(np.float32)
    free = np.zeros((1, 4), dtype=bool)
    found = PGD(steps=1, restarts=1).run(query, free, start=np.minimum(start, query.box.upper))
    value = lower_at(query.network, query.box.center[None], query.target).max()
    assert found.lower[0] >= value - 1e-6


@pytest.mark.parametrize("seed", range(6))
def test_it_finds_nearly_the_exact_overlap_of_tiny_networks(seed):
    network = loaded(mlp((3, 4, 3), seed=seed))
    box = Box.around(np.zeros(3), 0.5)
    query = Query(network, box, Target.label(seed % 3))
    found = PGD(steps=40, restarts=8).run(query, np.zeros((1, 3), dtype=bool))
    exact = oracle.by_integers(network, box, query.target)
    assert found.lower[0] <= exact.value + 1e-6
    assert found.lower[0] >= exact.value - 0.05 * (1 + abs(exact.value))


def test_everything_frozen_leaves_the_center():
    query = question()
    found = PGD().run(query, np.ones((2, 4), dtype=bool))
    assert (found.points == query.box.center).all()


def test_the_same_seed_gives_the_same_points():
    query, frozen = question("cnn"), np.zeros((3, 64), dtype=bool)
    one, two = (PGD(seed=7).run(query, frozen) for _ in range(2))
    np.testing.assert_array_equal(one.points, two.points)
    np.testing.assert_array_equal(one.lower, two.lower)


def test_batches_are_told_of():
    told = []
    query = question()
    PGD(steps=1, batch=2).run(
        query, np.zeros((5, 4), dtype=bool), progress=lambda *words: told.append(words)
    )
    assert told == [("attack", 2, 5), ("attack", 4, 5), ("attack", 5, 5)]


def test_ends_are_rounded_into_the_box():
    low, high = np.array([0.1, -0.1, 0.5, 1 / 3]), np.array([0.3, 0.2, 0.5, 0.7])
    inner = representable(low, high, np.float32)
    assert inner[0].dtype == inner[1].dtype == np.float32
    assert (inner[0].astype(float) >= low).all()
    assert (inner[1].astype(float) <= high).all()
    assert inner[0][2] == inner[1][2] == 0.5
    assert (np.nextafter(inner[0], np.float32(-9)).astype(float) < low).all()
    assert (np.nextafter(inner[1], np.float32(9)).astype(float) > high).all()


def test_an_interval_without_a_representable_number_holds_the_center():
    """Only the center is known to be representable; a box around it may hold nothing else."""
    network = loaded(mlp((2, 3, 2)))
    center = np.array([0.1, 0.2], dtype=np.float32).astype(float)
    box = Box(center, center - 1e-12, center + 1e-12)
    found = PGD(steps=3).run(Query(network, box, Target.label(0)), np.zeros((1, 2), dtype=bool))
    assert (found.points[0].astype(float) == center).all()
