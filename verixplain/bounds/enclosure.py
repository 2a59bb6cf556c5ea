"""What is rigorously known of every value over a box, and how far rounding can carry a bound.

One forward pass, always in float64, gives for every value of the plan an interval that contains
its exact real range, and an *error*: a number no computation over the same plan can be off by.

The error covers, in units of the value, everything that a bound method or a plain evaluation
does in the working precision `unit` (its unit roundoff), whatever the order of its sums:

* **Affine maps.** A backward row L becomes fl(L A); the exact row differs by at most
  gamma_n |L| |A|, so what the row says of the layer below is off by gamma_n |L| |A| h, with h
  the largest magnitudes there. The same holds for the offset, whose product with L is a sum over
  the whole layer. Written forwards: `e -> |A| e + gamma_n (|A| h + |b|)`.
* **Relaxed functions.** Two lines hold on the *computed* interval of a neuron, which may miss
  the true one by its own error e. There the function leaves the lines by at most (slope of the
  function + slope of the line) e, on top of the e that the row itself carries back. For ReLU and
  its kind the excess is at most e, as both slopes lie in [0, 1] and the line is above at one end.
  Slopes and offsets of the lines are rounded too: a few units of the sizes involved.
* **Products.** McCormick planes, likewise.

Forwards evaluation is one of these computations, so the same number is the allowance by which a
witness's value is lowered. All coefficients of backward rows are bounded by the absolute path
products that the recursion forms, because no line is steeper than its function.

Sources: Higham, Accuracy and Stability of Numerical Algorithms, 2002, chapter 3 (gamma_n);
the propagation of errors as perturbations of each layer is that of `mathematics`: any execution
is the exact network with a small disturbance at every step. Conventional inner products are
assumed (no Winograd, no TF32), and the door to the bound library sees to that.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from verixplain.errors import BoundFailedError, UnsupportedBoundError
from verixplain.network.primitives import (
    Affine,
    MatrixProduct,
    MaxPool,
    Plan,
    Primitive,
    Product,
    Univariate,
)

UNIT64 = 2.0**-53
UNIT = {torch.float64: UNIT64, torch.float32: 2.0**-24}
"""Unit roundoff of the working precisions."""

_TINY = 2.0**-1000  # far above what underflow in float64 can lose, far below anything of interest


def gamma(terms: float, unit: float) -> float:
    """Higham's gamma_n: the relative error of a sum of `terms` products, in any order."""
    size = terms * unit
    if not size < 0.5:
        raise BoundFailedError(
            f"a sum of {terms:,.0f} terms cannot be bounded in this precision; use float64"
        )
    return size / (1 - size)


@dataclass(frozen=True)
class Known:
    """One value over a box: `lower <= value <= upper` exactly, and `error` as described above.

    Tensors of shape (batch, *value shape), float64.
    """

    lower: Tensor
    upper: Tensor
    error: Tensor

    @property
    def magnitude(self) -> Tensor:
        """The largest |value|, as computed anywhere: error included."""
        return torch.maximum(self.lower.abs(), self.upper.abs()) + self.error


@dataclass(frozen=True)
class Enclosure:
    """Every value of a plan over a box (or a batch of boxes)."""

    plan: Plan
    values: Mapping[str, Known]
    steps: int
    unit: float
    inputs: int

    def rows(self, coefficients: Tensor, offsets: Tensor) -> Known:
        """The rows `coefficients . output + offsets`: (batch, rows).

        Args:
            coefficients: (rows, outputs).
            offsets: (rows,).
        """
        output = self.values[self.plan.output]
        known = Known(output.lower.flatten(1), output.upper.flatten(1), output.error.flatten(1))
        kind = _Rows(coefficients.to(known.lower), offsets.to(known.lower))
        found = _affine(kind, [known], self.steps, self.unit, self.inputs)
        return Known(found.lower, found.upper, _up(found.error * (1 + self._second_order())))

    def _second_order(self) -> float:
        """Products of errors, and the rounding of the error's own computation, as a factor."""
        longest = max([known.lower[0].numel() for known in self.values.values()] + [self.inputs])
        return 8 * self.steps * gamma(longest + self.steps, self.unit) + 2.0**-20


class _Rows(Affine):
    """The last map of all: from the outputs to the rows of a target."""

    def __init__(self, coefficients: Tensor, offsets: Tensor) -> None:
        super().__init__()
        self.coefficients, self.offsets = coefficients, offsets
        self.terms = coefficients.shape[1] + 1

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.coefficients.T + self.offsets

    def absolute(self, x: Tensor) -> Tensor:
        return x @ self.coefficients.abs().T

    def offset(self) -> Tensor:
        return self.offsets


@torch.no_grad()
def enclose(
    plan: Plan,
    lower: Tensor,
    upper: Tensor,
    unit: float = UNIT64,
    known: Mapping[str, tuple[Tensor, Tensor]] | None = None,
) -> Enclosure:
    """Enclose every value over boxes.

    Args:
        plan: the network; its affine maps must be in float64.
        lower, upper: (batch, *input shape), float64.
        unit: unit roundoff of the precision that bounds will be computed in.
        known: computed bounds of some values, valid but for their rounding error, which is added
            here; the tighter of both is kept.

    Raises:
        UnsupportedBoundError: an interval leaves the domain of a function.
        BoundFailedError: an interval overflows.
    """
    steps, inputs = len(plan.steps) + 2, lower[0].numel()
    size = torch.maximum(lower.abs(), upper.abs())
    values = {plan.input: Known(lower, upper, _up(gamma(inputs + steps + 8, unit) * size + _TINY))}
    for step in plan.steps:
        parts = [values[name] for name in step.inputs]
        found = _step(step, parts, steps, unit, inputs)
        if known is not None and step.name in known:
            low, high = (side.to(found.lower) for side in known[step.name])
            found = Known(
                torch.maximum(found.lower, _down(low - found.error)),
                torch.minimum(found.upper, _up(high + found.error)),
                found.error,
            )
        if not (torch.isfinite(found.lower).all() and torch.isfinite(found.upper).all()):
            raise BoundFailedError(
                f"node {step.node!r}: the interval of its values overflows; the box is too large "
                "for this network"
            )
        values[step.name] = found
    return Enclosure(plan, values, steps, unit, inputs)


def _step(step: Primitive, parts: list[Known], steps: int, unit: float, inputs: int) -> Known:
    kind = step.kind
    if isinstance(kind, Affine):
        return _affine(kind, parts, steps, unit, inputs)
    if isinstance(kind, Univariate):
        return _univariate(kind, parts[0], step.node, unit)
    if isinstance(kind, MaxPool):
        x = parts[0]
        error = 2 * kind(x.error) + 8 * unit * kind(x.magnitude)
        return Known(kind(x.lower), kind(x.upper), _up(error))
    if isinstance(kind, (Product, MatrixProduct)):
        return _product(kind, *parts, unit)
    raise UnsupportedBoundError(f"node {step.node!r}: nothing is known of {type(kind).__name__}")


def _affine(kind: Affine, parts: list[Known], steps: int, unit: float, inputs: int) -> Known:
    centers = [(x.lower + x.upper) / 2 for x in parts]
    radii = [
        _up(torch.maximum(x.upper - c, c - x.lower)) for x, c in zip(parts, centers, strict=True)
    ]
    offset = kind.offset()
    middle, spread = kind(*centers), kind.absolute(*radii)
    size = kind.absolute(*[c.abs() + r for c, r in zip(centers, radii, strict=True)])
    executed = kind.absolute(*[x.magnitude for x in parts])
    if offset is not None:
        size, executed = size + offset.abs(), executed + offset.abs()
    # The pass itself: two sums of `terms`, the offset, and the final additions.
    slack = gamma(2 * kind.terms + 8, UNIT64) * size + _TINY
    error = kind.absolute(*[x.error for x in parts]) * (1 + gamma(kind.terms + 4, UNIT64))
    if kind.terms:  # moving numbers rounds nothing
        longest = max(kind.terms, middle[0].numel(), inputs) + steps + 8
        error = error + gamma(longest, unit) * executed
    return Known(_down(middle - spread - slack), _up(middle + spread + slack), _up(error))


def _univariate(kind: Univariate, x: Known, node: str, unit: float) -> Known:
    reach_low, reach_high = x.lower - x.error, x.upper + x.error
    if not ((reach_low > kind.domain[0]).all() and (reach_high < kind.domain[1]).all()):
        raise UnsupportedBoundError(
            f"node {node!r}: {kind.name} is defined between {kind.domain[0]} and "
            f"{kind.domain[1]}, but its input may lie anywhere in "
            f"[{float(reach_low.min()):.6g}, {float(reach_high.max()):.6g}]; "
            "a smaller box may help"
        )
    low, high = extremes(kind, torch.zeros_like(x.lower), x.lower, x.upper)
    size = torch.maximum(low.abs(), high.abs())
    rounding = kind.ulps * 2 * UNIT64
    slack = rounding * torch.clamp(size, min=1.0) if kind.ulps else torch.zeros_like(size)
    steepest = kind.steepest(reach_low, reach_high)
    # Lines of piecewise linear functions leave them by at most e beyond the interval's ends,
    # others by both slopes times e; the row itself carries steepest * e back.
    excess = torch.clamp(steepest, min=1.0) * 2 if kind.native else 3 * steepest
    slopes_and_offsets = size + steepest * x.magnitude
    error = excess * x.error + unit * (
        (kind.ulps + 16) * slopes_and_offsets + 2 * kind.ulps * torch.clamp(size, min=1.0)
    )
    if not torch.isfinite(error).all():
        raise BoundFailedError(f"node {node!r}: {kind.name} overflows on this box")
    return Known(_down(low - slack), _up(high + slack), _up(error))


def _product(kind: Product | MatrixProduct, x: Known, y: Known, unit: float) -> Known:
    a, b = (x.lower + x.upper) / 2, (y.lower + y.upper) / 2
    r = _up(torch.maximum(x.upper - a, a - x.lower))
    s = _up(torch.maximum(y.upper - b, b - y.lower))
    terms = x.lower.shape[-1] if isinstance(kind, MatrixProduct) else 1
    middle = kind(a, b)
    spread = kind(a.abs(), s) + kind(r, b.abs()) + kind(r, s)
    size = kind(a.abs() + r, b.abs() + s)
    slack = gamma(2 * terms + 16, UNIT64) * size + _TINY
    h, k = x.magnitude, y.magnitude
    error = 3 * (kind(h, y.error) + kind(x.error, k) + kind(x.error, y.error))
    error = error + gamma(4 * terms + middle[0].numel() + 16, unit) * kind(h, k)
    return Known(_down(middle - spread - slack), _up(middle + spread + slack), _up(error))


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
