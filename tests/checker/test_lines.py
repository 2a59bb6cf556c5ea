"""Lines above and below activations, judged in exact rationals."""

from fractions import Fraction

import numpy as np
import pytest

from .judge import EXACT, functions, wrong_intercepts, wrong_lines

FUNCTIONS = functions("verixplain.checker")


def test_lines_hold_on_the_whole_interval():
    assert not list(wrong_lines("verixplain.checker", seed=5, count=120))


def test_an_intercept_holds_for_any_slope_and_touch_point():
    assert not list(wrong_intercepts("verixplain.checker", seed=8, count=120))


@pytest.mark.parametrize("name", ["relu", "leaky"])
def test_every_share_gives_a_slope_that_passes_below_the_kink(name):
    checked, exact = FUNCTIONS[name], EXACT[name]
    for share in np.arange(256) / 255.0:
        slope = Fraction(float(checked.slope(np.array(share))))
        assert slope * 3 <= exact(Fraction(3))
        assert slope * -3 <= exact(Fraction(-3))


@pytest.mark.parametrize("name", ["sigmoid", "tanh"])
def test_curved_lines_are_tight(name):
    """A line is at most the width of the range away from the curve's own range."""
    checked = FUNCTIONS[name]
    lower, upper = np.array([-3.0, 0.5, -2.0, -0.5]), np.array([-0.5, 3.0, 1.0, 4.0])
    lines = checked.lines(lower, upper)
    gap = lines.upper_at + lines.upper_slope * lower - (lines.lower_at + lines.lower_slope * lower)
    low, high = checked.range(lower, upper)
    assert (gap <= (high - low)).all()
