"""The few statements about floating point that everything else rests on."""

from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest

from verixplain.checker.reasons import Reason, Refusal
from verixplain.checker.rounding import EXP_ERROR, down, exponential, gamma, sigmoid, up

from .exact import logistic

NUMBERS = np.concatenate(
    [
        [0.0, -0.0, 5e-324, -5e-324, 2.0**-1022, -(2.0**-1022), 1.0, -1.0, 2.0, -2.0, 1e30, -1e30],
        np.random.default_rng(0).standard_normal(500)
        * 10.0 ** np.random.default_rng(1).integers(-300, 30, 500),
    ]
)


def test_up_and_down_pass_the_neighbouring_number():
    assert (up(NUMBERS) >= np.nextafter(NUMBERS, np.inf)).all()
    assert (down(NUMBERS) <= np.nextafter(NUMBERS, -np.inf)).all()


def test_the_exponential_is_as_accurate_as_it_says():
    rng = np.random.default_rng(2)
    x = np.concatenate([rng.uniform(-700, 700, 1500), rng.uniform(-1, 1, 1000), [0.0, 700, -700]])
    with localcontext() as context:
        context.prec = 50
        for a, b in zip(x, exponential(x), strict=True):
            exact = Decimal(float(a)).exp()
            assert abs(Decimal(float(b)) / exact - 1) < Decimal(EXP_ERROR) / 2  # half is spare


def test_the_sigmoid_lies_between_its_ends():
    rng = np.random.default_rng(3)
    z = np.concatenate([rng.uniform(-40, 40, 600), [0.0, 800.0, -800.0, 1e30, -1e30, 1e-300]])
    low, high = sigmoid(z)
    for a, b, c in zip(low, z, high, strict=True):
        assert Fraction(float(a)) <= logistic(Fraction(float(b))) <= Fraction(float(c))
    assert (high - low <= 2.0**-46).all()


def test_gamma_bounds_the_relative_error_of_a_sum():
    rng = np.random.default_rng(4)
    for n in (1, 2, 7, 50):
        a, b = rng.standard_normal((2, n)) * 10.0 ** rng.integers(-5, 5, (2, n))
        exact = sum(Fraction(x) * Fraction(y) for x, y in zip(a, b, strict=True))
        size = sum(abs(Fraction(x) * Fraction(y)) for x, y in zip(a, b, strict=True))
        assert abs(Fraction(float(a @ b)) - exact) <= Fraction(gamma(n)) * size


def test_a_sum_too_long_is_refused():
    with pytest.raises(Refusal) as refusal:
        gamma(10**7, 2.0**-24)
    assert refusal.value.reason is Reason.PRECISION
