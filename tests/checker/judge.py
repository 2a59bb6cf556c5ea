"""What must notice a broken checker: vectors, exact lines, and the exact-rational oracle."""

import json
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from importlib import import_module
from pathlib import Path

import numpy as np

from .exact import logistic
from .exchanging import wrong_gains, wrong_gradients
from .hostile import lone_model
from .local import wrong_pieces
from .moving import wrong_regions
from .oracle import violations
from .ordering import cases
from .tampering import one_node, tampered

VECTORS = Path(__file__).parent / "vectors"


@cache
def tampered_files() -> list[tuple[str, bytes, bytes, int, str | None]]:
    """Every vector with its bytes, made once by the real checker."""
    found = []
    for path in sorted(VECTORS.glob("*.json")):
        if path.stem != "operators":
            for v in json.loads(path.read_text()):
                found.append((v["comment"], *tampered(v["edit"]), v["exit"], v.get("reason")))
    return found


@cache
def small_files() -> list[tuple[str, bytes, bytes, str, str | None]]:
    """Certificates about networks of their own, made once."""
    return [(comment, d.model, d.bytes(), answer, why) for comment, d, answer, why in cases()]


@cache
def one_node_files() -> list[tuple[str, bytes, str | None]]:
    vectors = json.loads((VECTORS / "operators.json").read_text())
    return [(v["comment"], one_node(v), v["reason"]) for v in vectors]


def wrong_answers(package: str) -> Iterator[str]:
    """Vectors that get another answer than they must."""
    steps = import_module(f"{package}.steps")
    answers = {"ACCEPTED": 0, "REJECTED": 1, "REFUSED": 2}
    for comment, model, data, code, reason in tampered_files():
        verdict = steps.check(model, data)
        if (answers[verdict.answer], verdict.reason) != (code, reason):
            yield f"vector: {comment}"
    for comment, model, data, answer, reason in small_files():
        verdict = steps.check(model, data)
        if (verdict.answer, verdict.reason) != (answer, reason):
            yield f"small: {comment}"


def wrong_operators(package: str) -> Iterator[str]:
    build = import_module(f"{package}.operators").build
    read_model = import_module(f"{package}.wire").read_model
    refusal = import_module(f"{package}.reasons").Refusal
    for comment, model, reason in one_node_files():
        try:
            build(read_model(model))
            found = None
        except refusal as error:
            found = error.reason
        except Exception:
            found = "malformed"
        if found != reason:
            yield f"operator: {comment}"


def intervals(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Narrow and wide, on both sides of 0, through it, touching it, degenerate, and huge."""
    size = 10.0 ** rng.integers(-12, 4, count)
    middle = rng.standard_normal(count) * 10.0 ** rng.integers(-9, 2, count)
    lower, upper = middle - size * rng.random(count), middle + size * rng.random(count)
    lower[:5], upper[:5] = 0.0, upper[:5].clip(0)
    lower[5:10], upper[5:10] = lower[5:10].clip(max=0), 0.0
    lower[10:15] = upper[10:15]
    lower[15:40] = -np.abs(lower[15:40])  # chords almost as flat as the leak, almost as steep as 1
    upper[15:40] = -lower[15:40] * 2.0 ** rng.integers(-45, 45, 25)
    return np.minimum(lower, upper), np.maximum(lower, upper)


LEAK = float(np.float32(0.3))
EXACT = {
    "relu": lambda z: max(z, Fraction(0)),
    "leaky": lambda z: max(z, Fraction(0)) + Fraction(LEAK) * min(z, Fraction(0)),
    "sigmoid": logistic,
    "tanh": lambda z: 2 * logistic(2 * z) - 1,
}


def functions(package: str) -> dict:
    lines = import_module(f"{package}.lines")
    kinked = lines.Kinked(LEAK)
    return {"relu": lines.RELU, "leaky": kinked, "sigmoid": lines.SIGMOID, "tanh": lines.TANH}


def points(lower: float, upper: float, count: int) -> list[Fraction]:
    a, b = Fraction(lower), Fraction(upper)
    found = [a + (b - a) * Fraction(i, count) for i in range(count + 1)]
    return found + [p for p in map(Fraction, (0, -0.5, 0.5)) if a <= p <= b]


def wrong_lines(package: str, seed: int, count: int) -> Iterator[str]:
    """Points where a line or a range does not hold."""
    lower, upper = intervals(np.random.default_rng(seed), count)
    for name, checked in functions(package).items():
        with np.errstate(all="ignore"):
            lines = checked.lines(lower, upper)
            low, high = checked.range(lower, upper)
            least, most = checked.derivative(lower, upper)
        for i in range(count):
            for z in points(lower[i], upper[i], 6):
                value = EXACT[name](z)
                above = Fraction(lines.upper_slope[i]) * z + Fraction(lines.upper_at[i])
                below = Fraction(lines.lower_slope[i]) * z + Fraction(lines.lower_at[i])
                if not (below <= value <= above and Fraction(low[i]) <= value <= Fraction(high[i])):
                    yield f"{name} on [{lower[i]!r}, {upper[i]!r}]"
                steep = {"sigmoid": value * (1 - value), "tanh": 1 - value**2}.get(name)
                if steep is not None and not Fraction(least[i]) <= steep <= Fraction(most[i]):
                    yield f"derivative of {name} on [{lower[i]!r}, {upper[i]!r}]"


def wrong_intercepts(package: str, seed: int, count: int) -> Iterator[str]:
    """Whatever slope and touch point a curved line is given, its intercept must hold."""
    lower, upper = intervals(np.random.default_rng(seed), count)
    rng = np.random.default_rng(seed + 1)
    half = count // 2  # many through 0 with the largest value of f(z) - slope z inside
    lower[:half], upper[:half] = -5 * rng.random(half), 8 * rng.random(half)
    slope = rng.random(count) * 0.3 * 10.0 ** rng.integers(-2, 1, count)
    touch = lower + (upper - lower) * rng.random(count)
    for name, checked in functions(package).items():
        if name in ("sigmoid", "tanh"):
            with np.errstate(all="ignore"):
                at = checked._intercept(slope, touch, lower, upper)
            for i in range(count):
                for z in points(lower[i], upper[i], 10):
                    if EXACT[name](z) - Fraction(slope[i]) * z > Fraction(at[i]):
                        yield f"{name} with slope {slope[i]!r} on [{lower[i]!r}, {upper[i]!r}]"


def wrong_flushes(package: str) -> Iterator[str]:
    """A subnormal input may be flushed to zero before a large weight meets it."""
    operators, wire = import_module(f"{package}.operators"), import_module(f"{package}.wire")
    passes = import_module(f"{package}.passes")
    x = np.array([[2.0**-127, 0.0, 0.0]])
    for way in range(8, 11):
        network = operators.build(
            wire.read_model(lone_model(np.random.default_rng(0), "plain", way)[0])
        )
        state = passes.Bounder(network, passes.Recipe(), True).forward(x, x, x)
        if not ((state.lower[-1] <= 0.0) & (state.upper[-1] >= 0.0)).all():
            yield f"flush {way}"


def first_complaint(package: str, module: str, networks: int) -> str | None:
    """The first thing wrong with a checker; None where nothing is noticed."""
    try:
        for complaints in _all(package, module, networks):
            for complaint in complaints:
                return complaint
    except Exception as error:
        return f"broke: {type(error).__name__}"
    return None


def _all(package: str, module: str, networks: int):
    """Cheapest and likeliest first; every mutant meets all of it before it counts as unnoticed."""
    files = [lambda: wrong_operators(package), lambda: wrong_answers(package)]
    numbers = [
        lambda: wrong_pieces(package, 7, 96),
        lambda: violations(package, 100, networks // 4),
    ]
    if module in ("lines", "rounding"):
        numbers.insert(0, lambda: wrong_intercepts(package, 8, 40))
        numbers.insert(0, lambda: wrong_lines(package, 5, 60))
    if module in ("faces", "gradients", "exchange"):
        numbers.insert(0, lambda: wrong_gradients(package, 9, networks))
        numbers.insert(0, lambda: wrong_gains(package, 10, 40))
    else:
        numbers.append(lambda: wrong_gradients(package, 9, networks // 2))
    if module == "regions":
        numbers.insert(0, lambda: wrong_regions(package, 11, 60))
    numbers.append(lambda: wrong_flushes(package))
    reads = module in ("claims", "container", "operators", "steps", "wire")
    for judge in files + numbers if reads else numbers + files:
        yield judge()
    yield violations(package, 101, networks)
