"""Faces, and boxes of all inputs near the center: never against exact overlaps, and of use."""

from fractions import Fraction

import numpy as np
from networks import loaded, mlp
from oracle import exact_overlaps

from verixplain.query import Box, Target

from .making import Draft, draft, margins
from .moving import wrong_regions
from .ordering import EACH, exchanged, linear, moved

ALL = [(u, v) for u in range(4) for v in range(4) if u != v]


def small(seed: int, radius: float) -> tuple[Draft, object]:
    """A certificate over the reals about a small random network, without claims."""
    rng = np.random.default_rng(seed)
    network = loaded(mlp((4, 5, 4, 3), ["Relu", "LeakyRelu"][seed % 2], seed))
    center = rng.uniform(-1, 1, 4).astype(np.float32)
    rows = margins(int(rng.integers(3)), 3)
    return draft(network.data, center, radius, rows, groups=EACH, semantics=("real",)), network


def overlaps(made: Draft, network, center=None) -> np.ndarray:
    """Exact overlaps of the box and of every B_u, also of another input's box."""
    ends = [made.arrays[name].astype(np.float64) for name in ("center", "lower", "upper")]
    if center is not None:
        low, high = (made.arrays[name] for name in ("least", "most"))
        ends = [center, *(np.clip(center + made.arrays[e], low, high) for e in ("lower", "upper"))]
    exact = exact_overlaps(network, Box(*ends), Target.rows(made.arrays["rows.matrix"]), EACH)
    return np.array([one.exact for one in exact], object)  # rationals


def proved(made: Draft, kind: str) -> np.ndarray:
    (claim,) = [c for c in made.check().report["claims"] if c["kind"] == kind]
    return np.array([Fraction(number) for number in claim["proved"]["real"]], object)


def test_bounds_on_faces_hold_and_are_tighter():
    better = 0
    for seed in range(24):
        made, network = small(seed, 0.3)
        plain = proved(made.groups([-1, 0, 1, 2, 3]), "groups")
        made.manifest["recipe"]["faces"] = 4
        found = proved(made, "groups")
        assert (overlaps(made, network) <= found).all()
        assert (found <= plain).all()
        better += int((found < plain - 1e-6).sum())
    assert better > 10


def test_pairs_found_on_faces_are_true_and_more():
    counts = np.zeros(2, int)
    for seed in range(24):
        for place, rounds in enumerate((0, 4)):
            made, network = small(seed, 0.3)
            made.manifest["recipe"]["faces"] = rounds
            made.witnesses(np.tile(made.arrays["center"], (4, 1)), range(4), [0] * 4).settle()
            exact = overlaps(made, network)[1:]
            for (u, v), least in zip(ALL, proved(exchanged(made, ALL), "exchange"), strict=True):
                assert not least > 0 or exact[v] > exact[u]
                counts[place] += least > 0
    assert counts[1] > counts[0] > 5


def test_what_is_said_of_all_inputs_nearby_holds_at_each():
    pairs = 0
    for seed in range(16):
        made, network = small(seed, 0.1)
        center = made.arrays["center"].astype(np.float64)
        made = moved(made, 0.01).groups([-1, 0, 1, 2, 3])
        made.witnesses(np.tile(made.arrays["center"], (4, 1)), range(4), [0] * 4).settle()
        exchanged(made, ALL)
        upper, lower, gain = (proved(made, kind) for kind in ("groups", "witness", "exchange"))
        above = (gain > 0) | np.array([upper[1 + u] < lower[v] for u, v in ALL])
        pairs += int(above.sum())
        rng = np.random.default_rng(seed)
        for _ in range(4):
            x = center + np.where(rng.random(4) < 0.5, 0.01, -0.005)
            exact = overlaps(made, network, x)
            assert (lower <= exact[1:]).all()
            assert (exact <= upper).all()
            for (u, v), holds in zip(ALL, above, strict=True):
                assert not holds or exact[1 + v] > exact[1 + u]
    assert pairs > 20


def test_ends_of_moved_boxes_contradict_no_exact_rational():
    assert not list(wrong_regions("verixplain.checker", seed=11, count=200))


def test_the_conclusion_says_for_which_inputs():
    made = exchanged(moved(linear(), 0.25), [(0, 1)])
    (said,) = made.check().report["conclusions"]["real"]
    assert said.startswith("at every input of the range within 0.25 of the center")
