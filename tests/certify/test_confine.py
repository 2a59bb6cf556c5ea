"""Faces and exchange above a floor: never against the exact overlaps, with and without splits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from laws.small import pooled
from networks import mlp, residual
from oracle import exact_overlaps

from certify.test_exchange import APART, OVERLAPPING, assert_true, overlaps_of, question
from verixplain.certify.confine import Confined
from verixplain.certify.exchange import Raised, exchange
from verixplain.certify.order import closure, order
from verixplain.query import Query


def confined(query: Query, steps: int) -> tuple[Raised, Confined, np.ndarray]:
    """What is known after some steps, and which pairs that decides."""
    overlaps = overlaps_of(query)
    raised = Raised(np.asarray(overlaps.row_upper), overlaps.group_lower)
    everything = ~np.eye(len(query.groups), dtype=bool)
    found = Confined(query, overlaps, "cpu")
    for number, _ in enumerate(found.steps(raised, lambda: everything)):
        if number == steps:
            break
    upper = raised.row_upper.max(axis=0)
    above = raised.above() | (upper[:, None] < overlaps.group_lower[None])
    return raised, found, closure(order(overlaps).above | above)


def assert_sound(query: Query, steps: int = 12) -> None:
    raised, found, above = confined(query, steps)
    whole, *groups = exact_overlaps(query.network, query.box, query.target, query.groups.members)
    for u, overlap in enumerate(groups):
        assert overlap.exact <= raised.row_upper[:, u].max()
    assert whole.exact <= found.box_upper.max()
    assert_true(query, above)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 100_000),
    st.floats(0.01, 0.8),
    st.sampled_from(["Relu", "LeakyRelu"]),
    st.sampled_from([2, 2, 3]),
)
def test_no_pair_and_no_bound_contradicts_the_exact_overlaps(seed, radius, activation, classes):
    assert_sound(question(mlp((3, 4, 3, classes), activation, seed=seed), radius, seed, APART))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 100_000), st.floats(0.01, 0.6))
def test_groups_that_overlap(seed, radius):
    assert_sound(question(mlp((3, 4, 3, 2), seed=seed), radius, seed, OVERLAPPING))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 100_000), st.floats(0.01, 0.6))
def test_a_box_cut_with_the_data_range(seed, radius):
    assert_sound(question(mlp((3, 4, 4, 2), seed=seed), radius, seed, APART, clip=(0.0, 1.0)))


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("make", [lambda s: pooled(3, 3, seed=s), lambda s: residual(1, 4, seed=s)])
def test_pools_and_residual_connections(make, seed):
    members = [[k, k + 1, k + 2] for k in range(0, 15, 3)]
    assert_sound(question(make(seed), 0.05, seed, members))


def test_it_decides_pairs_that_the_whole_box_does_not():
    more = 0
    for seed in range(8):
        query = question(mlp((6, 8, 8, 2), seed=seed), 0.2, seed, [[k] for k in range(6)])
        overlaps = overlaps_of(query)
        plain = closure(order(overlaps).above | exchange(query, overlaps, device="cpu").above())
        more += int((confined(query, 12)[2] & ~plain).sum())
    assert more > 0
