"""Branch and bound: exact overlaps lie below, leaf by leaf, and near where the tree is large."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from laws.small import pooled
from networks import cnn, loaded, mlp
from oracle import corners, exact_overlap, exact_overlaps

from verixplain.bounds import Engine, split
from verixplain.bounds.split import Tree
from verixplain.errors import UnsupportedBoundError
from verixplain.features import Groups
from verixplain.query import Box, Query, Target

MEMBERS = [[0], [1, 2], [0, 1, 2], []]


def question(proto, radius: float, seed: int, members=MEMBERS) -> Query:
    network = loaded(proto)
    x = np.random.default_rng(seed).uniform(0, 1, network.input_shape).astype("f4")
    names = tuple(str(k) for k in range(len(members)))
    groups = Groups(network.input_shape, tuple(np.array(m, int) for m in members), names)
    return Query(network, Box.around(x, radius), Target.label(seed % network.outputs), groups)


def planted(query: Query, iterations: int = 5) -> Tree:
    rows = len(query.target.matrix(query.network.outputs)[0])
    nothing = np.full((rows, len(query.groups) + 1), np.inf)
    engine = Engine.of(query.network, "float64", "cpu")
    return Tree(engine, query.box, query.groups, query.target, nothing, iterations)


def exact(query: Query) -> list[Fraction]:
    """Of every B_u, and last of the box."""
    found = exact_overlaps(query.network, query.box, query.target, query.groups.members)
    return [one.exact for one in [*found[1:], found[0]]]


def grown(query: Query, steps: int, iterations: int = 5) -> Tree:
    """A tree that wants every bound to be as low as the truth."""
    tree, truth = planted(query, iterations), exact(query)
    wanted = [np.array([float(one)]) for one in truth]
    for _ in range(steps):
        before = tree.upper
        if not tree.grow(wanted):
            break
        assert (tree.upper <= before).all()
    return tree


def below(query: Query, tree: Tree) -> bool:
    """Whether a bound is below the exact overlap."""
    upper = tree.upper.max(axis=0)
    return any(Fraction(float(b)) < e for b, e in zip(upper, exact(query), strict=True))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 100_000),
    st.floats(0.1, 1.0),
    st.sampled_from(["Relu", "LeakyRelu"]),
    st.sampled_from([2, 3]),
)
def test_no_bound_is_below_the_exact_overlap(seed, radius, activation, classes):
    query = question(mlp((3, 4, 3, classes), activation, seed=seed), radius, seed)
    assert not below(query, grown(query, 4))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("make", [lambda s: cnn(size=4, seed=s), lambda s: pooled(3, 3, seed=s)])
def test_convolutions_and_pools(make, seed):
    query = question(make(seed), 0.05, seed)
    assert not below(query, grown(query, 3))


def phases(query: Query, tree: Tree, point: np.ndarray) -> dict[str, np.ndarray]:
    import torch

    values = tree.parent.engine.exact.run(torch.from_numpy(point[None]))
    return {name: value.flatten().numpy() for name, value in values.items()}


def test_leaves_cover_the_box_and_bound_their_own_points():
    for seed in range(4):
        query = question(mlp((3, 5, 4, 2), seed=seed), 0.8, seed)
        tree = grown(query, 4)
        for point in corners(query.box, 16, seed):
            values, held = phases(query, tree, point), 0
            for leaf in tree.leaves:
                if all(phase * values[name][index] >= 0 for name, index, phase in leaf.splits):
                    held += 1
                    overlap = exact_overlap(query.network, point, query.target)
                    assert Fraction(float(leaf.upper[:, -1].max())) >= overlap
            assert held >= 1


def test_a_large_tree_comes_close_to_the_exact_overlap():
    before, after = [], []
    for seed in range(4):
        query = question(mlp((3, 6, 5, 2), seed=seed), 0.6, seed)
        truth = np.array([float(one) for one in exact(query)])
        tree = grown(query, 1, iterations=20)
        before.append((tree.upper.max(axis=0) - truth).max())
        tree = grown(query, 30, iterations=20)
        after.append((tree.upper.max(axis=0) - truth).max())
    assert max(after) < 0.02 < max(before)


def test_multipliers_of_the_wrong_sign_are_caught(monkeypatch):
    """Mutation: what is added for a phase is negative there."""
    original = split._Bounds._split

    def turned(self, name):
        original(self, name)
        self.sign[name] = -self.sign[name]

    monkeypatch.setattr(split._Bounds, "_split", turned)
    queries = [question(mlp((3, 4, 3, 2), seed=seed), 0.6, seed) for seed in range(20)]
    assert any(below(query, grown(query, 4)) for query in queries)


def test_half_a_tree_is_caught(monkeypatch):
    """Mutation: the leaves do not cover the box."""
    original = split.Leaf.halves
    monkeypatch.setattr(split.Leaf, "halves", lambda self: original(self)[:1])
    queries = [question(mlp((3, 4, 3, 2), seed=seed), 0.6, seed) for seed in range(20)]
    trees = [planted(query) for query in queries]
    for tree in trees:
        for _ in range(4):
            tree.grow([np.array([-np.inf])] * 5)
    assert any(below(query, tree) for query, tree in zip(queries, trees, strict=True))


def test_multipliers_are_kept_with_their_splits():
    tree = grown(question(mlp((3, 5, 4, 2), seed=1), 0.8, 1), 4)
    assert max(len(leaf.splits) for leaf in tree.leaves) >= 2
    for leaf in tree.leaves:
        for betas in leaf.multipliers.values():
            assert (betas >= 0).all()
            assert len(betas) <= len(leaf.splits)


def test_where_nothing_is_wanted_nothing_is_split():
    tree = planted(question(mlp((3, 4, 3, 2)), 0.3, 0))
    nothing = [np.array([])] * 5
    tree.grow(nothing)
    assert tree.grow(nothing) == 0
    assert len(tree.leaves) == 1


def test_a_network_without_phases_is_refused():
    with pytest.raises(UnsupportedBoundError, match="phases"):
        planted(question(mlp((3, 4, 3, 2), "Sigmoid"), 0.3, 0))
