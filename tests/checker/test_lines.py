"""Lines above and below activations, judged in exact rationals."""

from fractions import Fraction

import numpy as np
import pytest

from verixplain.checker.lines import RELU, SIGMOID, TANH, Kinked

from .exact import logistic


def relu(z: Fraction) -> Fraction:
    return max(z, Fraction(0))


def leaky(z: Fraction) -> Fraction:
    return max(z, Fraction(0)) + Fraction(0.0625) * min(z, Fraction(0))


def tanh(z: Fraction) -> Fraction:
    return 2 * logistic(2 * z) - 1


FUNCTIONS = {
    "relu": (RELU, relu),
    "leaky": (Kinked(0.0625), leaky),
    "sigmoid": (SIGMOID, logistic),
    "tanh": (TANH, tanh),
}


def intervals(rng, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Narrow and wide, on both sides of 0, through it, touching it, degenerate, and huge."""
    size = 10.0 ** rng.integers(-12, 4, count)
    middle = rng.standard_normal(count) * 10.0 ** rng.integers(-9, 2, count)
    lower, upper = middle - size * rng.random(count), middle + size * rng.random(count)
    lower[:5], upper[:5] = 0.0, upper[:5].clip(0)
    lower[5:10], upper[5:10] = lower[5:10].clip(max=0), 0.0
    lower[10:15] = upper[10:15]
    return np.minimum(lower, upper), np.maximum(lower, upper)


def points(lower: float, upper: float, count: int) -> list[Fraction]:
    a, b = Fraction(lower), Fraction(upper)
    found = [a + (b - a) * Fraction(i, count) for i in range(count + 1)]
    return found + [p for p in (Fraction(0), *(Fraction(s) for s in (-0.5, 0.5))) if a <= p <= b]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_lines_hold_on_the_whole_interval(name):
    checked, exact = FUNCTIONS[name]
    lower, upper = intervals(np.random.default_rng(5), 120)
    lines = checked.lines(lower, upper)
    low, high = checked.range(lower, upper)
    for i in range(len(lower)):
        above = Fraction(lines.upper_slope[i]), Fraction(lines.upper_at[i])
        below = Fraction(lines.lower_slope[i]), Fraction(lines.lower_at[i])
        for z in points(lower[i], upper[i], 8):
            value = exact(z)
            assert below[0] * z + below[1] <= value <= above[0] * z + above[1], (lower[i], upper[i])
            assert Fraction(low[i]) <= value <= Fraction(high[i])


@pytest.mark.parametrize("name", ["relu", "leaky"])
def test_every_share_gives_a_slope_that_passes_below_the_kink(name):
    checked, exact = FUNCTIONS[name]
    for share in np.arange(256) / 255.0:
        slope = Fraction(float(checked.slope(np.array(share))))
        assert slope * 3 <= exact(Fraction(3))
        assert slope * -3 <= exact(Fraction(-3))


@pytest.mark.parametrize("name", ["sigmoid", "tanh"])
def test_curved_lines_are_tight(name):
    """A line is at most the width of the range away from the curve's own range."""
    checked, _ = FUNCTIONS[name]
    lower, upper = np.array([-3.0, 0.5, -2.0, -0.5]), np.array([-0.5, 3.0, 1.0, 4.0])
    lines = checked.lines(lower, upper)
    gap = lines.upper_at + lines.upper_slope * lower - (lines.lower_at + lines.lower_slope * lower)
    low, high = checked.range(lower, upper)
    assert (gap <= (high - low)).all()
