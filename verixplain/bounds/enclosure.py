"""Intervals that rigorously hold every value over a box, and what rounding can do at every step.

**Intervals.** One forward pass in float64, each step widened by its own rounding, so the exact
real value of every neuron lies inside, whatever the order of the sums. At a point it is a
rigorous evaluation of the network: what a witness is worth.

**Disturbances.** A backward pass carries rows L of coefficients, which are taken as exact numbers
once they are computed. What is lost at a step is then

* at an affine map: `(L A - fl(L A)) h`, at most `gamma_n |L| (|A| |h|)`, and likewise for the
  offset and its sum over the layer;
* at a relaxed function: the rounding of the two lines' slopes and offsets, and of their product
  with L;

always `|L| . D` with one tensor D per step, made here from the magnitudes of the step's inputs.
Subtracting it from every lower bound and adding it to every upper one, intermediate bounds
included, makes a float32 or float64 pass rigorous for the price of one inner product per row and
step. The end of the pass, at the input, is a step of its own.

Sources: Higham, Accuracy and Stability of Numerical Algorithms, 2002, chapter 3 (`gamma_n`).
Taking the computed rows as exact is ours (the certificate checker does the same). Conventional
inner products are assumed (no Winograd, no TF32); the door to the bound library sees to that.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from verixplain.errors import BoundFailedError, UnsupportedBoundError
from verixplain.network.primitives import (
    Affine,
    Join,
    MatrixProduct,
    MaxPool,
    Plan,
    Primitive,
    Product,
    Rearrange,
    ScaleShift,
    Univariate,
)

UNIT64 = 2.0**-53
UNIT = {torch.float64: UNIT64, torch.float32: 2.0**-24}
"""Unit roundoff of the working precisions."""

_TINY = {torch.float64: 2.0**-1000, torch.float32: 2.0**-100}
"""Far above what underflow can lose, far below anything of interest."""


def gamma(terms: float, unit: float) -> float:
    """Higham's gamma_n: the relative error of a sum of `terms` products, in any order."""
    size = terms * unit
    if not size < 0.5:
        raise BoundFailedError(
            f"a sum of {terms:,.0f} terms cannot be bounded in this precision; use float64"
        )
    return size / (1 - size)


@dataclass(frozen=True)
class Interval:
    """`lower <= value <= upper` over the reals; tensors (batch, *value shape), float64."""

    lower: Tensor
    upper: Tensor

    @property
    def magnitude(self) -> Tensor:
        """The largest |value|."""
        return torch.maximum(self.lower.abs(), self.upper.abs())

    def cut(self, other: "Interval") -> "Interval":
        """Both hold the truth, so their intersection does."""
        return Interval(
            torch.maximum(self.lower, other.lower), torch.minimum(self.upper, other.upper)
        )


class Rows(Affine):
    """The last map of all: from the outputs, flattened, to the rows of a target."""

    def __init__(self, coefficients: Tensor, offsets: Tensor) -> None:
        super().__init__()
        self.coefficients, self.offsets = coefficients, offsets
        self.terms = coefficients.shape[1] + 1

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ self.coefficients.T + self.offsets

    def absolute(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ self.coefficients.abs().T

    def offset(self) -> Tensor:
        return self.offsets


@torch.no_grad()
def enclose(plan: Plan, lower: Tensor, upper: Tensor, widen: bool = True) -> dict[str, Interval]:
    """Enclose every value of a plan over boxes.

    Args:
        plan: the network; its affine maps must be in float64.
        lower, upper: (batch, *input shape), float64.
        widen: False leaves the rounding allowance out: no longer sound, and only good for
            saying how large the allowance is.

    Raises:
        UnsupportedBoundError: an interval leaves the domain of a function.
        BoundFailedError: an interval overflows.
    """
    values = {plan.input: Interval(lower, upper)}
    for step in plan.steps:
        values[step.name] = through(step, [values[name] for name in step.inputs], widen)
    return values


@torch.no_grad()
def rows_of(
    output: Interval, coefficients: Tensor, offsets: Tensor, widen: bool = True
) -> Interval:
    """The rows `coefficients . output + offsets`: (batch, rows)."""
    return _affine(Rows(coefficients.double(), offsets.double()), [output], widen)


def through(step: Primitive, parts: Sequence[Interval], widen: bool = True) -> Interval:
    """One step forward."""
    kind = step.kind
    if isinstance(kind, Affine):
        found = _affine(kind, parts, widen)
    elif isinstance(kind, Univariate):
        found = _univariate(kind, parts[0], step.node, widen)
    elif isinstance(kind, MaxPool):
        found = Interval(kind(parts[0].lower), kind(parts[0].upper))
    else:
        found = _product(kind, parts[0], parts[1], widen)
    if not (torch.isfinite(found.lower).all() and torch.isfinite(found.upper).all()):
        raise BoundFailedError(
            f"node {step.node!r}: the interval of its values overflows; the box is too large "
            "for this network"
        )
    return found


def _affine(kind: Affine, parts: Sequence[Interval], widen: bool) -> Interval:
    if isinstance(kind, (Rearrange, Join)):
        return _by_ends(kind, kind.terms, parts, widen)
    if isinstance(kind, ScaleShift):
        scale = 1.0 if kind.scale is None else kind.scale
        ends = [Interval(*_sorted(scale * x.lower, scale * x.upper)) for x in parts]
        return _by_ends(ScaleShift(shift=kind.shift), kind.terms, ends, widen)
    centers = [(x.lower + x.upper) / 2 for x in parts]
    radii = [
        _up(torch.maximum(x.upper - c, c - x.lower)) if widen else (x.upper - x.lower) / 2
        for x, c in zip(parts, centers, strict=True)
    ]
    middle, spread = kind(*centers), kind.absolute(*radii)
    if not widen:
        return Interval(middle - spread, middle + spread)
    size = kind.absolute(*[c.abs() + r for c, r in zip(centers, radii, strict=True)])
    offset = kind.offset()
    size = size if offset is None else size + offset.abs()
    # Two sums of `terms`, the offset, the size itself, and the additions below.
    slack = gamma(3 * kind.terms + 8, UNIT64) * size + _TINY[torch.float64]
    return Interval(_down(middle - spread - slack), _up(middle + spread + slack))


def _by_ends(kind: Affine, terms: int, parts: Sequence[Interval], widen: bool) -> Interval:
    """A map without negative coefficients takes ends to ends.

    Center and radius would do too, but drown the small end of a wide interval in the rounding of
    the large one, and with it the 1 in the denominator of a Softmax.
    """
    offset = kind.offset()
    results = []
    for side in ([x.lower for x in parts], [x.upper for x in parts]):
        value = kind(*side)
        size = kind.absolute(*[x.abs() for x in side])
        size = size if offset is None else size + offset.abs()
        slack = gamma(3 * terms + 8, UNIT64) * size + _TINY[torch.float64]
        results.append((value, slack if widen and terms else torch.zeros_like(value)))
    (low, below), (high, over) = results
    if not widen or not terms:
        return Interval(low, high)
    return Interval(_down(low - below), _up(high + over))


def _sorted(one: Tensor, two: Tensor) -> tuple[Tensor, Tensor]:
    return torch.minimum(one, two), torch.maximum(one, two)


def _univariate(kind: Univariate, x: Interval, node: str, widen: bool) -> Interval:
    _check_domain(kind, x, node)
    low, high = extremes(kind, torch.zeros_like(x.lower), x.lower, x.upper)
    if kind.ulps == 0 or not widen:
        return Interval(low, high)
    # Each end by its own size: the small end of exp may lie far below the large one's rounding.
    below, over = (4 * kind.ulps * UNIT64 * end.abs().clamp(min=1.0) for end in (low, high))
    return Interval(_down(low - below), _up(high + over))


def _check_domain(kind: Univariate, x: Interval, node: str) -> None:
    if not ((x.lower > kind.domain[0]).all() and (x.upper < kind.domain[1]).all()):
        raise UnsupportedBoundError(
            f"node {node!r}: {kind.name} is defined between {kind.domain[0]} and "
            f"{kind.domain[1]}, but its input may lie anywhere in "
            f"[{float(x.lower.min()):.6g}, {float(x.upper.max()):.6g}]; a smaller box may help"
        )


def _product(kind: Product | MatrixProduct, x: Interval, y: Interval, widen: bool) -> Interval:
    a, b = (x.lower + x.upper) / 2, (y.lower + y.upper) / 2
    r = _up(torch.maximum(x.upper - a, a - x.lower))
    s = _up(torch.maximum(y.upper - b, b - y.lower))
    middle = kind(a, b)
    spread = kind(a.abs(), s) + kind(r, b.abs()) + kind(r, s)
    if not widen:
        return Interval(middle - spread, middle + spread)
    terms = x.lower.shape[-1] if isinstance(kind, MatrixProduct) else 1
    slack = gamma(6 * terms + 16, UNIT64) * kind(a.abs() + r, b.abs() + s)
    slack = slack + _TINY[torch.float64]
    return Interval(_down(middle - spread - slack), _up(middle + spread + slack))


def disturbance(
    step: Primitive, parts: Sequence[Interval], output: Interval, steps: int, unit: float
) -> Tensor:
    """D: rounding at this step moves `L . output` by at most `|L| . D`, for any computed row L.

    Args:
        step: the step whose output the row acts on.
        parts: intervals of its inputs that hold the truth *and* what relaxations were made from.
        output: interval of its output.
        steps: how many steps the plan has (additions that a row's constant goes through).
        unit: unit roundoff of the precision that rows are computed in.

    Returns:
        (batch, *output shape), float64, its own rounding included.
    """
    kind, width = step.kind, output.lower[0].numel()
    longest = width + 2 * steps + 32  # the sum over the layer, and the running constant
    if isinstance(kind, Affine):  # even one that only moves numbers: copies are added up
        size = kind.absolute(*[x.magnitude for x in parts])
        offset = kind.offset()
        size = size if offset is None else size + offset.abs()
        longest = max(kind.terms, width) + 2 * steps + 32
    elif isinstance(kind, Univariate):
        x = parts[0]
        steepest = kind.steepest(x.lower, x.upper)
        size = output.magnitude + steepest * x.magnitude
        if kind.ulps:
            longest += 8 * kind.ulps
            size = size + torch.ones_like(size) * (8 * kind.ulps / longest)
    elif isinstance(kind, MaxPool):
        size = 4 * kind(parts[0].magnitude)
    else:
        size = 4 * kind(parts[0].magnitude, parts[1].magnitude)
        terms = parts[0].lower.shape[-1] if isinstance(kind, MatrixProduct) else 1
        longest += 4 * terms
    return _inflated(gamma(longest, unit), size, width, unit)


def input_disturbance(box: Interval, steps: int, unit: float) -> Tensor:
    """D of the last step back: the row times the box's center and radius, at the input."""
    width = box.lower[0].numel()
    return _inflated(gamma(2 * width + 2 * steps + 32, unit), box.magnitude, width, unit)


def _inflated(factor: float, size: Tensor, width: int, unit: float) -> Tensor:
    """`factor * size`, and what is lost in forming `|L| . D` from it."""
    dtype = torch.float64 if unit == UNIT64 else torch.float32
    return _up(factor * (1 + 4 * gamma(width + 32, unit) + 2.0**-20) * size + _TINY[dtype])


Look = Callable[[str], "Interval | None"]


class Rounding:
    """What rounding can do at every step of a pass, from intervals as they become known.

    Args:
        exact: the plan in float64.
        box: of the batch, float64.
        unit: unit roundoff of the call's precision.
        look: name of a relaxed step's input -> the interval in use for it, or None before it is
            known. It is rigorous, because every bound was widened as it was made.
    """

    def __init__(self, exact: Plan, box: Interval, unit: float, look: Look) -> None:
        self.exact, self.unit, self.look = exact, unit, look
        self.steps = {step.name: step for step in exact.steps}
        self._known: dict[str, Interval] = {exact.input: box}
        self._sizes: dict[str, Tensor] = {}

    def interval(self, name: str) -> Interval:
        """The tightest interval known by now for a value."""
        if name in self._known:
            return self._known[name]
        used = self.look(name)
        if used is not None:  # this one even if another were tighter: lines were made from it
            self._known[name] = used
            return used
        step = self.steps[name]
        return through(step, [self.interval(part) for part in step.inputs])

    def size(self, name: str, dtype: torch.dtype) -> Tensor:
        """D of the step that makes `name`, in the call's precision, rounded up."""
        if name not in self._sizes:
            count = len(self.steps)
            if name == self.exact.input:
                size = input_disturbance(self._known[name], count, self.unit)
            else:
                step = self.steps[name]
                parts = [self.interval(part) for part in step.inputs]
                # Not what stands on the value itself by now: it may still change.
                size = disturbance(step, parts, through(step, parts), count, self.unit)
            rounded = size.to(dtype)
            self._sizes[name] = torch.nextafter(rounded, torch.full_like(rounded, torch.inf))
        return self._sizes[name]


def extremes(
    kind: Univariate, slope: Tensor, lower: Tensor, upper: Tensor
) -> tuple[Tensor, Tensor]:
    """Smallest and largest `f(x) - slope x` on the interval, but for the rounding of f itself."""
    places = kind.stationary(slope)
    inside = (places > lower[..., None]) & (places < upper[..., None])
    places = torch.where(inside, places, lower[..., None])
    places = torch.cat([places, lower[..., None], upper[..., None]], dim=-1)
    heights = kind.function(places) - slope[..., None] * places
    return heights.amin(-1), heights.amax(-1)


def _down(values: Tensor) -> Tensor:
    return torch.nextafter(values, torch.full_like(values, float("-inf")))


def _up(values: Tensor) -> Tensor:
    return torch.nextafter(values, torch.full_like(values, float("inf")))
