import numpy as np
import pytest

from tests.metrics.cases import sample, two_classes
from verixplain.metrics.infidelity import Infidelity


def test_the_share_of_a_linear_output_in_any_unit_misses_nothing():
    weights, x = np.random.default_rng(0).normal(size=(2, 12))
    scores = np.float32(weights) * np.float32(x).astype(float)
    for factor in (1.0, 1e6, 1e-200):
        found = Infidelity().measure(sample(two_classes(weights), x, factor * scores))
        assert found.value == pytest.approx(0, abs=1e-10)


def test_a_map_upside_down_says_as_little_as_none():
    x = np.ones(12)
    for scores in (-x, 0 * x):
        assert Infidelity().measure(sample(two_classes(x), x, scores)).value == 1


def test_it_is_the_error_of_the_best_factor():
    weights, x = np.random.default_rng(1).normal(size=(2, 12))
    given = sample(two_classes(weights), x, np.abs(weights * x))
    sums, falls = Infidelity().drawn(given)
    factors = np.linspace(0, 3, 30001)
    errors = ((falls - factors[:, None] * sums) ** 2).mean(axis=1) / (falls**2).mean()
    assert Infidelity().measure(given).value == pytest.approx(errors.min(), rel=1e-6)
