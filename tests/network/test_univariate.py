"""What every elementwise function claims about itself, held against itself and against mpmath.

Each test goes over all `Univariate`s of the package: those that are module attributes, and a few
of every family that has parameters.
"""

import math
from importlib import import_module
from pkgutil import iter_modules

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from verixplain.network import operators
from verixplain.network.operators.elu import exponential_unit
from verixplain.network.operators.leakyrelu import leaky
from verixplain.network.operators.pow import power
from verixplain.network.primitives import Univariate

EPS = torch.finfo(torch.float64).eps


def _all() -> dict[str, Univariate]:
    found = {}
    for module in iter_modules(operators.__path__):
        contents = vars(import_module(f"{operators.__name__}.{module.name}"))
        found.update({v.name: v for v in contents.values() if isinstance(v, Univariate)})
    members = [leaky(a) for a in (0.0, 0.01, 1.0)]
    members += [power(p) for p in (3.0, 4.0, 7.0, -2.0, -0.5, 0.25, 1.5, 2.5)]
    members += [exponential_unit(a, b) for a, b in ((1, 1), (0.3, 1), (2, 1), (-1, 1), (0, 1))]
    members += [exponential_unit(0.3, 1 / 0.3), exponential_unit(4.0, 0.25)]
    return {**found, **{v.name: v for v in members}}


ALL = _all()

# The functions again, by their definitions. mpmath differentiates them itself.
TRUTH = {
    "relu": lambda x: max(x, 0),
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "tanh": mpmath.tanh,
    "exp": mpmath.exp,
    "log": mpmath.log,
    "sqrt": mpmath.sqrt,
    "reciprocal": lambda x: 1 / x,
    "square": lambda x: x * x,
    "erf": mpmath.erf,
    "gelu": lambda x: x * mpmath.ncdf(x),
    "gelu_tanh": lambda x: (
        x * (1 + mpmath.tanh(mpmath.sqrt(2 / mpmath.pi) * (x + mpmath.mpf("0.044715") * x**3))) / 2
    ),
    "swish": lambda x: x / (1 + mpmath.exp(-x)),
    "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
    "softsign": lambda x: x / (1 + abs(x)),
    "hard_swish": lambda x: x * max(0, min(1, x / 6 + mpmath.mpf(1) / 2)),
}


def truth(name: str):
    """The true function, for members of families from the numbers in their names."""
    if name in TRUTH:
        return TRUTH[name]
    family, _, numbers = name.rstrip(")").partition("(")
    parameters = [mpmath.mpf(float(n)) for n in numbers.split(",")]
    if family == "leaky_relu":
        return lambda x: x if x > 0 else parameters[0] * x
    if family == "power":
        return lambda x: x ** (int(parameters[0]) if parameters[0] % 1 == 0 else parameters[0])
    if family == "exponential_unit":
        return lambda x: x if x >= 0 else parameters[0] * mpmath.expm1(parameters[1] * x)
    raise KeyError(f"no definition of {name!r} to test it against; write one into TRUTH")


def interval(function: Univariate, u: float, v: float, scale: float) -> tuple[float, float]:
    """Two numbers of the unit interval as an interval in the domain, about `scale` wide."""
    if function.domain[0] == 0:
        lower = 10 ** (6 * u - 3)
        return lower, lower + v * scale
    lower = (2 * u - 1) * 12
    return lower, lower + v * scale


unit = st.floats(0, 1, width=32)
scales = st.sampled_from([1e-6, 1e-2, 1.0, 10.0, 30.0])
checked = settings(
    max_examples=16, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
every = pytest.mark.parametrize("name", sorted(ALL))


def tensor(*numbers: float) -> torch.Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


def slopes(function: Univariate, lower: float, upper: float, more: list[float]) -> torch.Tensor:
    """Slopes worth trying: taken ones, the chord's, hard ones, and any."""
    ends = tensor(lower, upper)
    taken = function.slope(torch.linspace(lower, upper, 9, dtype=torch.float64))
    values = function.function(ends)
    chord = (values[1:] - values[:1]) / max(upper - lower, 1e-12)
    hard = tensor(0.0, 1.0, -1.0, 0.25, 0.5, 1.5, 1e-12, 1 - 1e-12, 1 + 1e-12, 0.25 - 1e-15, -1e-9)
    hard = torch.cat([hard, tensor(2 / math.sqrt(math.pi)), tensor(1 + EPS, 1 - EPS, 1e-300)])
    return torch.cat([taken, chord, hard, tensor(*more)])


@every
@checked
@given(u=unit, v=unit, scale=scales, more=st.lists(st.floats(-20, 20), min_size=2, max_size=2))
def test_no_value_beats_the_ends_and_the_stationary_places(name, u, v, scale, more):
    function = ALL[name]
    lower, upper = interval(function, u, v, scale)
    k = slopes(function, lower, upper, more)
    x = torch.linspace(lower, upper, 2001, dtype=torch.float64)
    found = function.stationary(k)
    assert found.shape[:-1] == k.shape
    inside = (found >= lower) & (found <= upper)
    ends = tensor(lower, upper).expand(len(k), 2)
    tried = torch.cat([ends, torch.where(inside, found, lower)], dim=1)

    dense = function.function(x)[None] - k[:, None] * x
    best = function.function(tried) - k[:, None] * tried
    size = function.function(x).abs().amax().clamp(min=1)
    # Two values of f are compared, each off by `ulps`; k x and the difference round as well.
    allowed = EPS * (2 * function.ulps * size + 4 * k.abs() * max(abs(lower), abs(upper)) + size)
    assert (dense.amax(1) <= best.amax(1) + allowed).all()
    assert (dense.amin(1) >= best.amin(1) - allowed).all()


@every
@checked
@given(u=unit, v=unit, scale=scales)
def test_curvature_is_what_it_says(name, u, v, scale):
    function = ALL[name]
    lower, upper = interval(function, u, v, scale)
    claim = float(function.curvature(tensor(lower), tensor(upper)))
    assert claim in (-1, 0, 1)
    x = torch.linspace(lower, upper, 65, dtype=torch.float64)
    left, right = x[:, None], x[None, :]
    middle = (left + right) / 2
    values = function.function(x)
    above = (values[:, None] + values[None, :]) / 2 - function.function(middle)
    allowed = EPS * (2 * function.ulps + 4) * values.abs().amax().clamp(min=1)
    # A middle that is rounded moves the value by a slope times a rounding.
    allowed = allowed + EPS * max(abs(lower), abs(upper)) * function.slope(x).abs().amax()
    assert (claim * above >= -allowed).all() or claim == 0


@every
@checked
@given(u=unit, v=unit, scale=scales)
def test_nothing_is_steeper_than_steepest(name, u, v, scale):
    function = ALL[name]
    lower, upper = interval(function, u, v, scale)
    steepest = function.steepest(tensor(lower), tensor(upper))
    x = torch.linspace(lower, upper, 513, dtype=torch.float64)
    assert (function.slope(x).abs() <= steepest * (1 + function.ulps * EPS)).all()
    values = function.function(x)
    rises, runs = (values[1:] - values[:-1]).abs(), x[1:] - x[:-1]
    allowed = 2 * function.ulps * EPS * values.abs().amax().clamp(min=1)
    assert (rises <= steepest * runs + allowed).all()


@every
def test_slope_is_the_derivative(name):
    function = ALL[name]
    edge = 0.01 if function.domain[0] == 0 else -9.87
    x = torch.linspace(edge, 9.91, 501, dtype=torch.float64).requires_grad_()
    (gradient,) = torch.autograd.grad(function.function(x).sum(), x)
    torch.testing.assert_close(function.slope(x.detach()), gradient, rtol=1e-12, atol=1e-12)


@every
def test_values_and_slopes_are_as_near_to_the_truth_as_stated(name):
    function, exact = ALL[name], truth(name)
    rng = np.random.default_rng(0)
    if function.domain[0] == 0:
        x = 10 ** rng.uniform(-3, 3, 60)
    else:
        x = np.concatenate([rng.normal(0, 3, 50), rng.normal(0, 25, 10)])
    values = function.function(torch.from_numpy(x)).tolist()
    slopes = function.slope(torch.from_numpy(x)).tolist()
    with mpmath.workdps(60):
        for at, value, slope in zip(x.tolist(), values, slopes, strict=True):
            true = exact(mpmath.mpf(at))
            assert abs(value - true) <= function.ulps * EPS * max(1, abs(true)), at
            true = mpmath.diff(exact, mpmath.mpf(at), h=mpmath.mpf(10) ** -25)
            near = mpmath.mpf(10) ** -20  # of numeric differentiation
            assert abs(slope - true) <= function.ulps * EPS * max(1, abs(true)) + near, at


@every
def test_it_works_in_float32_and_on_any_shape(name):
    function = ALL[name]
    lower = torch.linspace(0.5, 2, 6).reshape(2, 3)
    assert function.function(lower).dtype == torch.float32
    assert function.slope(lower).dtype == torch.float32
    for claim in (function.curvature, function.steepest):
        assert claim(lower, lower + 1).shape == (2, 3)
        assert claim(lower, lower + 1).dtype == torch.float32
    assert function.stationary(lower).shape[:-1] == (2, 3)
    assert function.stationary(lower).dtype == torch.float32
