"""The exchange rule in the checker: never against exact overlaps, and its traps."""

import numpy as np
import pytest
from networks import loaded, mlp
from oracle import exact_overlaps

from verixplain.query import Box, Target

from .exchanging import wrong_gains, wrong_gradients
from .making import Draft, draft, margins
from .ordering import EACH, cases, exchanged, linear

ALL = [(u, v) for u in range(4) for v in range(4) if u != v]


def gained(made: Draft) -> np.ndarray:
    (claim,) = [c for c in made.check().report["claims"] if c["kind"] == "exchange"]
    return np.array(claim["proved"]["real"])


def test_no_pair_contradicts_the_exact_overlaps():
    assert sum(_pairs_that_are_true(seed) for seed in range(24)) > 40


def _pairs_that_are_true(seed: int) -> int:
    """How many pairs are proved on a random network; each is held against exact overlaps."""
    rng = np.random.default_rng(seed)
    network = loaded(mlp((4, 5, 4, 3), ["Relu", "LeakyRelu"][seed % 2], seed))
    center = rng.uniform(-1, 1, 4).astype(np.float32)
    radius, rows = float(rng.choice([0.03, 0.1, 0.3])), margins(int(rng.integers(3)), 3)
    made = draft(network.data, center, radius, rows, groups=EACH, semantics=("real",))
    box = Box(center, made.arrays["lower"], made.arrays["upper"])
    exact = exact_overlaps(network, box, Target.rows(rows), EACH)[1:]
    made.witnesses(np.tile(center, (4, 1)), range(4), [0] * 4).settle()
    found = [
        pair for pair, least in zip(ALL, gained(exchanged(made, ALL)), strict=True) if least > 0
    ]
    for u, v in found:
        assert exact[v].exact > exact[u].exact
    return len(found)


def test_gradients_and_gains_contradict_no_exact_rational():
    assert not list(wrong_gradients("verixplain.checker", seed=3, count=100))


def test_rounding_of_gains_is_counted():
    assert not list(wrong_gains("verixplain.checker", seed=4, count=100))


def test_on_a_linear_network_the_gains_are_exact_and_a_tie_is_not_ordered():
    found = dict(zip(ALL, gained(exchanged(linear(), ALL)), strict=True))
    assert found[0, 1] == pytest.approx(2.0)
    assert found[1, 2] == pytest.approx(1.0)
    assert found[3, 1] == pytest.approx(-1.0)
    assert found[2, 3] <= 0.0
    assert found[3, 2] <= 0.0


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: case[0])
def test_small_certificates_get_their_answers(case):
    _, made, answer, reason = case
    verdict = made.check()
    assert (verdict.answer, verdict.reason) == (answer, reason)
