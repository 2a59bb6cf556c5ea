"""Linear relaxation forwards.

The box is written as `x = center + radius * e` with every `e_i` in [-1, 1], and every value v of
the network gets a *band*: two affine functions of e with

    |v - middle(e)| <= half(e)    for all e, over the reals,

so `middle - half` and `middle + half` are the two affine bounds of forward LiRPA. The form has
two merits. An affine step is `middle -> A middle + b` and `half -> |A| half`: the same as
splitting the coefficients by sign, since `W+ L + W- U` with `L, U = middle -+ half` is
`W middle - |W| half`. And all that rounding can do goes into one number a value, the constant of
`half`.

**Rounding.** Coefficients (batch, inputs, *shape) are in the working precision, with unit `u`;
the constants, intervals and lines, which are small, are always in float64. Computed numbers are
taken as they stand: after every step the constant of `half` grows by a D that is at least the
difference between the exact image of the *computed* bands before the step and the computed band
after it. Since |e_i| <= 1, a difference of functions is at most the sum of the differences of
their coefficients. With `T = sum_i |middle_i| + |half_i|` and `c, r` the two constants:

* affine, sums of t terms: every coefficient is off by `gamma_t(u) |A| |coefficient|`, and the
  sum of that over all is `gamma_t(u) |A| T`; the constants by `gamma_t(2^-53) (|A| (|c| + r)
  + |b|)`.
* functions of one number: two lines `s x + t` with slopes as computed, taken as exact, on an
  interval that is rigorous. Each new coefficient is a sum of two products with slopes of size at
  most `s`: `gamma(u) s T`, `gamma(2^-53) (s (|c| + r) + |t|)`. And the lines may cut into the
  function by the rounding of their offsets: some units of `|f| + s |x|`, and what the function
  itself is off (`ulps`), as in `enclosure.disturbance`.
* max pooling: the same with slopes from 0 to 1, so `T`, `c`, `r` of the largest in the window.
* products: with any two numbers `p, q` near x and y, `x y = q x + p y - p q + (x-p)(y-q)`, and the
  last term is at most the product of the two radii about them. At the centers these are
  McCormick's planes, each pair of parallel ones joined to a band.

* the last affine steps are not gone through: the rows are pulled back through them, in float64,
  as in a backward pass (`enclosure.disturbance` counts what that rounds), and applied as one.

Factors in front are rounded up far enough to cover the float64 in which D is computed, and a tiny
number covers underflow. Intervals that functions are relaxed on are the extremes of the band cut
with our own interval of the step (`enclosure.through`); both hold the truth.

Sums must be conventional inner products, so the pass runs where Winograd and TF32 are off.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor

from verixplain.bounds import Engine, Found
from verixplain.bounds._lirpa import undisturbed
from verixplain.bounds.backward import pull_back, univariate_lines
from verixplain.bounds.enclosure import UNIT, UNIT64, Interval, disturbance, gamma, rows_of, through
from verixplain.bounds.relaxation import pool_lines
from verixplain.errors import OutOfMemoryError
from verixplain.network.primitives import (
    Affine,
    MatrixProduct,
    MaxPool,
    Plan,
    Primitive,
    Product,
    Univariate,
)
from verixplain.registry import bound_methods

_TINY = {torch.float64: 2.0**-960, torch.float32: 2.0**-80}
"""Far above what a step can lose by underflow, summed over all coefficients."""
_COLUMNS = 64
"""Coefficients summed at once, so that sums in float64 need little memory."""


class _Readout(Affine):
    """Rows of several values, each flattened: `sum_k R_k x_k + offset`."""

    def __init__(self, rows: list[Tensor], offset: Tensor) -> None:
        super().__init__()
        self.rows, self.offsets = rows, offset
        self.terms = sum(row.shape[1] for row in rows) + 1

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.linear(*inputs) + self.offsets

    def linear(self, *inputs: Tensor) -> Tensor:
        parts = [x.flatten(1) @ row.T for x, row in zip(inputs, self.rows, strict=True)]
        return sum(parts[1:], parts[0])

    def absolute(self, *inputs: Tensor) -> Tensor:
        parts = [x.flatten(1) @ row.abs().T for x, row in zip(inputs, self.rows, strict=True)]
        return sum(parts[1:], parts[0])

    def offset(self) -> Tensor:
        return self.offsets


@bound_methods.add
@dataclass(frozen=True)
class Forward:
    """Linear relaxation forwards: every value between two affine functions of the input.

    One pass, whatever the number of rows; but it carries a coefficient for every pair of an input
    that varies and a neuron, so it is for networks with few inputs.

    Source: Xu et al. 2020, arXiv:2002.12920 (forward mode); the bands and rounding are ours.
    """

    def run(self, engine: Engine, lower: Tensor, upper: Tensor, rows: Tensor) -> Found:
        with undisturbed(engine.dtype):
            return _Pass(engine, lower, upper, len(rows)).run(rows)


@dataclass(frozen=True, eq=False)
class _Band:
    """`|value - (middle . e + center)| <= half . e + radius` for every e in [-1, 1]^inputs.

    Args:
        middle: (batch, inputs, *shape), in the working precision.
        half: likewise; None where all are zero.
        center, radius: the constants, (batch, *shape), float64.
        spent: how much of `radius` stands for rounding, likewise.
        total: at least the sum of |middle| and |half| over the inputs, likewise.
    """

    middle: Tensor
    half: Tensor | None
    center: Tensor
    radius: Tensor
    spent: Tensor
    total: Tensor

    @property
    def constants(self) -> Tensor:
        """The sizes of both constants."""
        return self.center.abs() + self.radius


class _Pass:
    """One pass over a batch of boxes."""

    def __init__(self, engine: Engine, lower: Tensor, upper: Tensor, rows: int) -> None:
        self.engine, self.dtype, self.unit = engine, engine.dtype, UNIT[engine.dtype]
        self.lower, self.upper = lower.double(), upper.double()
        self.moving = (lower < upper).flatten(1).any(0).nonzero()[:, 0]
        plan = engine.plan
        self.ends = _ends(plan)
        # Not the values between the last relaxations and the rows.
        self.wanted = set(self.ends)
        for step in reversed(plan.steps):
            if step.name in self.wanted:
                self.wanted.update(step.inputs)
        self.last: dict[str, int] = {}
        for k, step in enumerate(plan.steps):
            if step.name in self.wanted:
                self.last |= dict.fromkeys(step.inputs, k)
        self.last |= dict.fromkeys(self.ends, len(plan.steps))
        self._check_memory(rows)

    def run(self, rows: Tensor) -> Found:
        """Bounds of `rows . output`."""
        engine = self.engine
        plan, relaxed = engine.plan, set(engine.plan.relaxed_inputs())
        bands = {plan.input: self._input()}
        known = {plan.input: Interval(self.lower, self.upper)}
        for k, (step, exact) in enumerate(zip(plan.steps, engine.exact.steps, strict=True)):
            inside = [known[name] for name in step.inputs]
            interval = known[step.name] = through(exact, inside, engine.widen)
            if step.name not in self.wanted:
                continue
            parts = [bands[name] for name in step.inputs]
            band = bands[step.name] = self._step(step, exact, parts, inside, interval)
            if step.name in relaxed:
                known[step.name] = self._cut(interval, self._extremes(band)[0])
            for name in step.inputs:
                if self.last[name] == k:
                    bands.pop(name, None)
        band = self._readout(rows.double(), bands, known)
        found, slack = self._extremes(band)
        zeros = torch.zeros(len(rows), dtype=torch.float64, device=rows.device)
        found = self._cut(found, rows_of(known[plan.output], rows, zeros, engine.widen))
        values = {name: engine.outward(known[name].lower, known[name].upper) for name in relaxed}
        return Found(found.lower, found.upper, band.spent + slack, values)

    def _readout(
        self, rows: Tensor, bands: Mapping[str, _Band], known: Mapping[str, Interval]
    ) -> _Band:
        """The rows as an affine function of the values in `ends`, and the band of that.

        Going through the last layers forwards would bound every output apart: `|R| |A| half`
        where `|R A| half` is enough.
        """
        plan, batch = self.engine.exact, len(self.lower)
        pending = {plan.output: rows.reshape(-1, *plan.shapes[plan.output])}
        offset, lost = rows.new_zeros(len(rows)), rows.new_zeros(batch, len(rows))
        for step in reversed(plan.steps):
            kind = step.kind
            if step.name in self.ends or step.name not in pending or not isinstance(kind, Affine):
                continue
            row = pending.pop(step.name)
            inside = [known[name] for name in step.inputs]
            size = disturbance(step, inside, known[step.name], len(plan.steps), UNIT64)
            lost += size.flatten(1) @ row.flatten(1).abs().T
            bias = kind.offset()
            if bias is not None:
                offset += row.flatten(1) @ bias.expand(1, *row.shape[1:]).flatten()
            pulled = pull_back(kind, row, [plan.shapes[name] for name in step.inputs])
            for name, part in zip(step.inputs, pulled, strict=True):
                pending[name] = part if name not in pending else pending[name] + part
        exact = _Readout([row.flatten(1) for row in pending.values()], offset)
        kind = _Readout([row.to(self.dtype) for row in exact.rows], offset)
        band = self._affine(kind, exact, [bands[name] for name in pending])
        if not self.engine.widen:
            return band
        lost = lost * (1 + 2.0**-20)
        return replace(band, radius=_up(band.radius + lost), spent=_up(band.spent + lost))

    def _input(self) -> _Band:
        center = (self.lower + self.upper) / 2
        radius = torch.maximum(self.upper - center, center - self.lower)
        if self.engine.widen:
            radius = torch.where(radius > 0, _up(radius), radius)
        shape, count = self.lower.shape, len(self.moving)
        sizes = _cast_up(radius.flatten(1)[:, self.moving], self.dtype)
        middle = sizes.new_zeros(len(sizes), count, self.lower[0].numel())
        middle[:, torch.arange(count, device=middle.device), self.moving] = sizes
        middle = middle.reshape(shape[0], count, *shape[1:])
        zero = torch.zeros_like(center)
        return _Band(middle, None, center, zero, zero, self._total(middle, None))

    def _step(
        self,
        step: Primitive,
        exact: Primitive,
        bands: Sequence[_Band],
        inside: Sequence[Interval],
        outside: Interval,
    ) -> _Band:
        kind = step.kind
        if isinstance(kind, Affine):
            return self._affine(kind, cast(Affine, exact.kind), bands)
        if isinstance(kind, Univariate):
            return self._univariate(kind, bands[0], inside[0], outside)
        if isinstance(kind, MaxPool):
            return self._pool(kind, bands[0], inside[0])
        return self._product(kind, bands, inside)

    def _affine(self, kind: Affine, exact: Affine, bands: Sequence[_Band]) -> _Band:
        """`middle -> A middle + b`, `half -> |A| half`."""
        middle = _columns(kind.linear, [band.middle for band in bands])
        half = None
        if any(band.half is not None for band in bands):
            halves = [
                torch.zeros_like(band.middle) if band.half is None else band.half for band in bands
            ]
            half = _columns(kind.absolute, halves)
        offset, terms = exact.offset(), exact.terms
        constants = exact.absolute(*[band.constants for band in bands])
        constants = constants if offset is None else constants + offset.abs()
        # Weights cast to the working precision are one rounding more; the rest is for D itself.
        lost = gamma(2 * terms + 16, self.unit) * exact.absolute(*[band.total for band in bands])
        lost = lost + gamma(3 * terms + 16, UNIT64) * constants
        return self._band(
            middle,
            half,
            exact(*[band.center for band in bands]),
            exact.absolute(*[band.radius for band in bands]),
            exact.absolute(*[band.spent for band in bands]),
            lost,
        )

    def _univariate(
        self, kind: Univariate, band: _Band, inside: Interval, outside: Interval
    ) -> _Band:
        """From lines `s x + t` below and above: of either sign, so both bounds take part."""
        found = univariate_lines(kind, inside.lower, inside.upper)
        low, high = found.lower_slope, found.upper_slope
        size = torch.maximum(low.abs(), high.abs())
        mean, gap = (high + low) / 2, (high - low) / 2
        mixed, spread = (high.abs() - low.abs()) / 2, (high.abs() + low.abs()) / 2
        middle, half = self._scaled(mean, band.middle), self._scaled(gap, band.middle)
        if band.half is not None:
            middle = middle + self._scaled(mixed, band.half)
            half = half + self._scaled(spread, band.half)
        offsets = found.lower_offset.abs() + found.upper_offset.abs()
        steepest = torch.maximum(kind.steepest(inside.lower, inside.upper), size)
        lost = gamma(16, self.unit) * size * band.total
        lost = lost + gamma(32, UNIT64) * (size * band.constants + offsets)
        # The lines themselves, and the function they are made from.
        reach = outside.magnitude + steepest * inside.magnitude
        lost = lost + gamma(48 + 8 * kind.ulps, UNIT64) * reach + 16 * kind.ulps * UNIT64
        rise = found.upper_offset + found.lower_offset
        thickness = found.upper_offset - found.lower_offset
        center = mean * band.center + mixed * band.radius + rise / 2
        radius = gap * band.center + spread * band.radius + thickness / 2
        return self._band(middle, half, center, radius, size * band.spent, lost)

    def _pool(self, kind: MaxPool, band: _Band, inside: Interval) -> _Band:
        """Below: one number of the window; above: a line in one, of slope 0 to 1."""
        found = pool_lines(kind, inside.lower, inside.upper)

        def picked(slopes: Tensor, values: Tensor) -> Tensor:
            """Of every window the one number that has a slope, times it."""
            return (kind.windows(values) * slopes).sum(-1)

        low, high = (
            slopes[:, None].to(self.dtype) for slopes in (found.lower_slope, found.upper_slope)
        )
        half = 0 if band.half is None else band.half
        upper, lower = picked(high, band.middle + half), picked(low, band.middle - half)
        top = picked(found.upper_slope, band.center + band.radius) + found.upper_offset
        bottom = picked(found.lower_slope, band.center - band.radius)
        lost = gamma(24, self.unit) * kind(band.total)
        reach = 2 * kind(band.constants) + 4 * kind(inside.magnitude) + found.upper_offset.abs()
        return self._band(
            (upper + lower) / 2,
            (upper - lower) / 2,
            (top + bottom) / 2,
            (top - bottom) / 2,
            kind(band.spent),
            lost + gamma(32, UNIT64) * reach,
        )

    def _product(
        self, kind: Product | MatrixProduct, bands: Sequence[_Band], inside: Sequence[Interval]
    ) -> _Band:
        """`x y = q x + p y - p q + (x - p)(y - q)` with p, q in the middle of both intervals."""
        one, two = bands
        # Numbers of the working precision, so that they need no further rounding.
        p, q = (((x.lower + x.upper) / 2).to(self.dtype) for x in inside)
        middle = kind(one.middle, q[:, None]) + kind(p[:, None], two.middle)
        half = None
        if one.half is not None:
            half = kind(one.half, q[:, None].abs())
        if two.half is not None:
            other = kind(p[:, None].abs(), two.half)
            half = other if half is None else half + other
        p, q = p.double(), q.double()
        left, right = (
            _up(torch.maximum(x.upper - at, at - x.lower))
            for x, at in zip(inside, (p, q), strict=True)
        )
        beyond = kind(left, right)
        terms = p.shape[-1] if isinstance(kind, MatrixProduct) else 1

        def weighed(x: Tensor, y: Tensor) -> Tensor:
            return kind(x, q.abs()) + kind(p.abs(), y)

        lost = gamma(4 * terms + 24, self.unit) * weighed(one.total, two.total)
        reach = weighed(one.constants, two.constants) + kind(p.abs(), q.abs()) + beyond
        return self._band(
            middle,
            half,
            kind(one.center, q) + kind(p, two.center) - kind(p, q),
            weighed(one.radius, two.radius) + beyond,
            weighed(one.spent, two.spent),
            lost + gamma(6 * terms + 32, UNIT64) * reach,
        )

    def _scaled(self, slopes: Tensor, coefficients: Tensor) -> Tensor:
        return coefficients * slopes[:, None].to(self.dtype)

    def _band(
        self,
        middle: Tensor,
        half: Tensor | None,
        center: Tensor,
        radius: Tensor,
        spent: Tensor,
        lost: Tensor,
    ) -> _Band:
        """A band whose radius grows by what was lost on the way to it."""
        total = self._total(middle, half)
        if not self.engine.widen:
            return _Band(middle, half, center, radius, torch.zeros_like(center), total)
        lost = _up(lost * (1 + 2.0**-20) + _TINY[self.dtype])
        return _Band(middle, half, center, _up(radius + lost), _up(spent + lost), total)

    def _total(self, middle: Tensor, half: Tensor | None) -> Tensor:
        found = _sum_of_sizes(middle)
        found = found if half is None else found + _sum_of_sizes(half)
        return _up(found * (1 + gamma(2 * middle.shape[1] + 16, UNIT64)))

    def _extremes(self, band: _Band) -> tuple[Interval, Tensor]:
        """The smallest and largest value of a band, and how far they were moved outward."""
        low = high = _sum_of_sizes(band.middle)
        if band.half is not None:
            low, high = (_sum_of_sizes(band.middle, band.half, sign) for sign in (-1, 1))
        lower, upper = band.center - band.radius - low, band.center + band.radius + high
        if not self.engine.widen:
            return Interval(lower, upper), torch.zeros_like(lower)
        inputs = band.middle.shape[1]
        slack = (gamma(4, self.unit) + gamma(2 * inputs + 16, UNIT64)) * band.total
        slack = slack + gamma(16, UNIT64) * band.constants
        return Interval(_down(lower - slack), _up(upper + slack)), slack

    def _cut(self, one: Interval, two: Interval) -> Interval:
        found = one.cut(two)
        if self.engine.widen:
            return found
        return Interval(torch.minimum(found.lower, found.upper), found.upper)

    def _check_memory(self, rows: int) -> None:
        """Refuse before anything is allocated; a caller with several boxes then takes fewer."""
        plan, batch = self.engine.plan, len(self.lower)
        size = {name: torch.Size(shape).numel() for name, shape in plan.shapes.items()}
        held, most = {plan.input}, size[plan.input]
        for k, step in enumerate(plan.steps):
            if step.name in self.wanted:
                held.add(step.name)
                working = size[step.name] + sum(size[name] for name in step.inputs)
                most = max(most, 2 * sum(size[name] for name in held) + 3 * working)
                held = {name for name in held if self.last.get(name, -1) > k}
        coefficients = len(self.moving) * self.dtype.itemsize
        needed = batch * most * (coefficients + 64) + 32 * rows * max(size.values())
        room = self.engine.memory()
        if needed > room:
            raise OutOfMemoryError(
                f"forward: the coefficients of {len(self.moving):,} inputs that vary need about "
                f"{needed:,} bytes for {batch} box{'es' if batch > 1 else ''}, and {room:,} are "
                "available; --bound crown needs less"
            )


def _ends(plan: Plan) -> set[str]:
    """Where the affine steps that lead to the output begin: relaxed values, or the input."""
    found, reached = set(), {plan.output}
    for step in reversed(plan.steps):
        if step.name in reached and isinstance(step.kind, Affine):
            reached.update(step.inputs)
        elif step.name in reached:
            found.add(step.name)
    return found | ({plan.input} & reached)


def _columns(function: Callable[..., Tensor], parts: Sequence[Tensor]) -> Tensor:
    """A linear map of values, applied to every input's coefficients: (batch, inputs, *shape)."""
    batch, inputs = parts[0].shape[:2]
    if inputs == 0:  # every box is a point
        shape = function(*[part.new_zeros(1, *part.shape[2:]) for part in parts]).shape[1:]
        return parts[0].new_zeros(batch, 0, *shape)
    found = function(*[part.flatten(0, 1) for part in parts])
    return found.reshape(batch, inputs, *found.shape[1:])


def _sum_of_sizes(one: Tensor, two: Tensor | None = None, sign: int = 1) -> Tensor:
    """The sum of `|one + sign two|` over the inputs, added up in float64: (batch, *shape)."""
    found = torch.zeros_like(one[:, :0].sum(1), dtype=torch.float64)
    for begin in range(0, one.shape[1], _COLUMNS):
        part = one[:, begin : begin + _COLUMNS]
        if two is not None:
            part = torch.add(part, two[:, begin : begin + _COLUMNS], alpha=sign)
        found += part.abs().double().sum(1)
    return found


def _cast_up(values: Tensor, dtype: torch.dtype) -> Tensor:
    """Numbers that are not negative in another precision, none of them smaller."""
    found = values.to(dtype)
    return torch.where(found.double() < values, _up(found), found)


def _down(values: Tensor) -> Tensor:
    return torch.nextafter(values, torch.full_like(values, -torch.inf))


def _up(values: Tensor) -> Tensor:
    return torch.nextafter(values, torch.full_like(values, torch.inf))
