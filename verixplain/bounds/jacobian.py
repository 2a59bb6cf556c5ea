"""Where the gradients of margin rows lie over a box.

Two backward passes run side by side, and each step keeps what both know. The interval pass
forgets that one unstable neuron moves many entries of a gradient together. The zonotope pass
keeps it: it carries `c + sum_k e_k G_k`, `e_k` in [-1, 1]. Affine maps act on the centre and on
every symbol; a function whose slope lies in `[m - r, m + r]` scales both by `m` and adds one new
symbol of size `r |z|` for every neuron with `r > 0`. The mean of the gradients along any segment
of the box lies in the same (convex) zonotope, so differences of gradients may use it.

Everything is in float64. What rounding can do is computed at every step and carried along as an
interval remainder, `rest`.

Source: ours (design notes, section 5); the interval pass is that of ReluVal (Wang et al. 2018,
arXiv:1804.10829), zonotopes those of Girard (2005).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from verixplain.bounds.backward import pull_back
from verixplain.bounds.enclosure import UNIT64, gamma
from verixplain.bounds.products import Ends, Products
from verixplain.errors import BoundFailedError, UnsupportedBoundError
from verixplain.network.primitives import (
    Affine,
    Conv,
    Linear,
    MaxPool,
    Plan,
    Primitive,
    Univariate,
)

_TINY = 2.0**-1000
_PULLED = 512
"""Rows that one affine map carries at once."""
_PLACES = 2**40
"""Numbers for the symbols of one step."""


@dataclass(frozen=True)
class Gradients:
    """Where the gradients of rows lie over a box.

    Every gradient of row r is `centre + sum_k e_k symbols_k + e` for some `|e_k| <= 1` and
    `|e| <= rest`, and lies between `lower` and `upper`.

    Args:
        lower, upper, centre, rest: (rows, inputs), float64.
        symbols: (rows, symbols, inputs).
        above: upper bounds of weighed sums of a row's gradient, where products are relaxed by
            lines: from weights (n, inputs) and the row's number, (n,). None elsewhere.
        names: numbers of the symbols; None where they belong to several passes.
    """

    lower: Tensor
    upper: Tensor
    centre: Tensor
    symbols: Tensor
    rest: Tensor
    above: Callable[[Tensor, int], Tensor] | None = None
    names: Tensor | None = None

    def neuron(self, plan: Plan, symbol: int) -> tuple[str, int]:
        """The value of the plan, and the number in it, whose derivative a symbol stands for."""
        step, place = divmod(int(self.names[symbol]), _PLACES)  # type: ignore[index]
        return plan.steps[step].inputs[0], place


@torch.no_grad()
def gradients(
    plan: Plan,
    rows: Tensor,
    values: Mapping[str, Ends],
    *,
    kinks: bool = False,
    symbols: int = 4096,
    loose: Mapping[str, float] | None = None,
    products: bool = False,
) -> Gradients:
    """Enclose the gradients of `rows . output` over a box.

    Args:
        plan: the network, in float64.
        rows: (rows, *output shape), float64.
        values: rigorous intervals of every relaxed step's input over the box, each for all rows,
            or one for every row (rows may then belong to different boxes).
        kinks: whether every choice of derivative at a kink is covered, as claims about gradient
            maps need: a neuron is then open wherever `lower <= 0 <= upper`. Without it,
            gradients are covered almost everywhere along every segment, which is what
            differences of the row need, and `lower >= 0` counts as active.
        symbols: how many are kept at most; smaller ones become part of `rest`. None (0) leaves
            the interval pass and a zonotope without correlations.
        loose: by how much, relatively, each number of an affine step may be another, by the
            step's name; `values` must hold for all of them.
        products: whether products are relaxed by lines too (see `Products`): intervals inside
            the backward graph are cut with linear bounds, and `above` is there.

    Raises:
        UnsupportedBoundError: a step has no bounded derivative here, by name.
        BoundFailedError: a bound overflows.
    """
    lines = Products(plan, rows) if products else None
    passing = _Pass(plan, values, kinks, symbols, loose or {}, lines)
    pending = {plan.output: _Zonotope.of(rows)}
    for number, step in reversed(list(enumerate(plan.steps))):
        found = pending.pop(step.name, None)
        if found is None:
            continue
        for name, part in zip(step.inputs, passing.through(number, step, found), strict=True):
            pending[name] = part if name not in pending else pending[name].plus(part)
    above = None
    if plan.input in pending:
        last = pending[plan.input].cut()
        above = None if lines is None else _from_input(lines)
    else:
        last = _Zonotope.of(rows.new_zeros(len(rows), *plan.shapes[plan.input]))
    if not (torch.isfinite(last.low).all() and torch.isfinite(last.high).all()):
        raise BoundFailedError("the gradient's interval overflows; a smaller box may work")
    return Gradients(
        lower=last.low.flatten(1),
        upper=last.high.flatten(1),
        centre=last.centre.flatten(1),
        symbols=last.symbols.flatten(2),
        rest=last.rest.flatten(1),
        above=above,
        names=last.names,
    )


def _from_input(lines: Products) -> Callable[[Tensor, int], Tensor]:
    """Upper bounds of weighed sums of the gradient at the input, in one box."""
    plan = lines.plan

    def above(weights: Tensor, box: int) -> Tensor:
        rows = weights.reshape(-1, *plan.shapes[plan.input])
        return lines.above(plan.input, rows, slice(box, box + 1))[0]

    return above


def in_parts(
    plan: Plan,
    rows: Tensor,
    values: Mapping[str, Ends],
    memory: int,
    *,
    kinks: bool = False,
) -> Iterator[tuple[int, Gradients]]:
    """`gradients` of as many rows at a time as fit in memory, with the first one's number.

    Args:
        plan, rows, values, kinks: as for `gradients`; values must be shared by all rows.
        memory: bytes that may be used.
    """
    widest = max(_numel(shape) for shape in plan.shapes.values())
    each = widest * rows.element_size() * 6  # a symbol, what it becomes, and what is moved
    open_ = 0
    for low, high in values.values():
        open_ += int(((low <= 0) & (high >= 0)).any(0).sum())
    kept = max(1, min(4096, open_, memory // each))
    size = max(1, memory // (each * (kept + 4)))
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        yield start, gradients(plan, part, values, kinks=kinks, symbols=kept)


def _numel(shape: tuple[int, ...]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count


@dataclass(frozen=True)
class _Zonotope:
    """A row's gradient at one value of the plan: (rows, *shape), symbols (rows, n, *shape).

    `names` are the numbers of the symbols, so that branches that meet again share theirs;
    `low` and `high` are those of the interval pass.
    """

    centre: Tensor
    symbols: Tensor
    names: Tensor
    rest: Tensor
    low: Tensor
    high: Tensor

    @classmethod
    def of(cls, rows: Tensor) -> "_Zonotope":
        none = rows.new_zeros(len(rows), 0, *rows.shape[1:])
        names = torch.zeros(0, dtype=torch.long, device=rows.device)
        return cls(rows, none, names, torch.zeros_like(rows), rows, rows)

    def size(self) -> Tensor:
        """At least `|centre| + sum |symbols|`."""
        count = self.symbols.shape[1]
        return (self.centre.abs() + self.symbols.abs().sum(1)) * (1 + 2 * gamma(count + 2, UNIT64))

    def cut(self) -> "_Zonotope":
        """The same, with its interval cut by what the zonotope knows."""
        count = self.symbols.shape[1]
        reach = (self.symbols.abs().sum(1) + self.rest) * (1 + 2 * gamma(count + 3, UNIT64))
        return _Zonotope(
            self.centre,
            self.symbols,
            self.names,
            self.rest,
            torch.maximum(self.low, _outward(self.centre - reach, reach, -torch.inf)),
            torch.minimum(self.high, _outward(self.centre + reach, reach, torch.inf)),
        )

    def plus(self, other: "_Zonotope") -> "_Zonotope":
        """The sum of what two branches carry; shared symbols add up."""
        names = torch.unique(torch.cat([self.names, other.names]))
        symbols = self.symbols.new_zeros(len(self.centre), len(names), *self.centre.shape[1:])
        for one in (self, other):
            symbols.index_add_(1, torch.searchsorted(names, one.names), one.symbols)
        size = (self.size() + other.size()) * (1 + 4 * UNIT64)
        lost = 2 * UNIT64 * size
        rest = (self.rest + other.rest + lost) * (1 + 8 * UNIT64)
        return _Zonotope(
            self.centre + other.centre,
            symbols,
            names,
            rest,
            _down(self.low + other.low),
            _up(self.high + other.high),
        )


@dataclass(frozen=True)
class _Pass:
    """What one backward pass needs at every step; the fields are those of `gradients`."""

    plan: Plan
    values: Mapping[str, Ends]
    kinks: bool
    symbols: int
    loose: Mapping[str, float]
    products: Products | None

    def through(self, number: int, step: Primitive, found: _Zonotope) -> list[_Zonotope]:
        """Step `number` of the plan, backwards."""
        kind, name = step.kind, step.inputs[0]
        if isinstance(kind, Affine):
            shapes = [self.plan.shapes[name] for name in step.inputs]
            pulled = _affine(kind, found, shapes, _numel(self.plan.shapes[step.name]))
            if self.products is not None:
                sizes = _sizes(kind, found, shapes)
                self.products.affine(step, kind.terms, sizes, self.loose.get(step.name, 0.0))
            if step.name not in self.loose:
                return pulled
            return _loosened(kind, found, pulled, shapes, self.loose[step.name])
        if isinstance(kind, Univariate):
            slopes = derivative(kind, *self.values[name], self.kinks, step.node)
            found = self._narrowed(step.name, found.cut(), slopes[0] < slopes[1])
        elif isinstance(kind, MaxPool):
            slopes = _choices(kind, *self.values[name])
            open_ = kind.windows(slopes[0] < slopes[1]).any(-1)
            found = _spread(kind, self._narrowed(step.name, found.cut(), open_))
        else:
            raise UnsupportedBoundError(
                f"node {step.node!r}: the gradient of a product of two varying values "
                f"({type(kind).__name__}) is not bounded"
            )
        if self.products is not None:
            self.products.product(step, slopes, (found.low, found.high))
        return [_scaled(found, *slopes, self.symbols, number * _PLACES)]

    def _narrowed(self, name: str, found: _Zonotope, open_: Tensor) -> _Zonotope:
        """The gradient at a value, its interval cut with linear bounds where a factor is open."""
        if self.products is None:
            return found
        low, high = self.products.cut(name, (found.low, found.high), open_)
        return replace(found, low=low, high=high)


def _affine(
    kind: Affine, found: _Zonotope, shapes: list[tuple[int, ...]], outputs: int
) -> list[_Zonotope]:
    """`A^T` on the centre, the symbols and the interval; its rounding goes to the rest."""
    rows, count = found.symbols.shape[:2]
    terms = outputs + kind.terms + 8
    middle = (found.low + found.high) / 2
    radius = torch.maximum(found.high - middle, middle - found.low)
    radius = torch.where(found.low == found.high, 0.0, _up(radius))
    signed = torch.cat([found.centre, middle, found.symbols.flatten(0, 1)])
    lost = 2 * gamma(terms, UNIT64) * found.size()
    sizes = torch.cat([found.rest + lost, radius, middle.abs() + radius])
    results = []
    for a, b in zip(_pulled(kind, signed, shapes), _magnitudes(kind, sizes, shapes), strict=True):
        rest, spread, size = b.split(rows)
        slack = gamma(3 * terms + 16, UNIT64) * size + _TINY
        results.append(
            _Zonotope(
                a[:rows],
                a[2 * rows :].reshape(rows, count, *a.shape[1:]),
                found.names,
                rest * (1 + 2 * gamma(2 * terms + 16, UNIT64)) + _TINY,
                _down(a[rows : 2 * rows] - spread - slack),
                _up(a[rows : 2 * rows] + spread + slack),
            )
        )
    return results


def _loosened(
    kind: Affine,
    found: _Zonotope,
    pulled: list[_Zonotope],
    shapes: list[tuple[int, ...]],
    share: float,
) -> list[_Zonotope]:
    """With every number of A moved by at most `share` of itself: at most that of `|A|^T |z|`."""
    reach = (found.size() + found.rest) * (1 + 4 * UNIT64)
    reach = torch.minimum(reach, torch.maximum(found.low.abs(), found.high.abs()))
    terms = _numel(tuple(found.centre.shape[1:])) + kind.terms + 16
    results = []
    for one, size in zip(pulled, _magnitudes(kind, reach, shapes), strict=True):
        moved = share * size * (1 + 4 * gamma(terms, UNIT64)) + _TINY
        low, high = _down(one.low - moved), _up(one.high + moved)
        rest = (one.rest + moved) * (1 + 4 * UNIT64)
        results.append(_Zonotope(one.centre, one.symbols, one.names, rest, low, high))
    return results


def _sizes(kind: Affine, found: _Zonotope, shapes: list[tuple[int, ...]]) -> list[Tensor]:
    """At least `|A|^T |z|`."""
    reach = torch.maximum(found.low.abs(), found.high.abs())
    terms = reach[0].numel() + kind.terms + 16
    return [
        size * (1 + 4 * gamma(terms, UNIT64)) + _TINY for size in _magnitudes(kind, reach, shapes)
    ]


def _pulled(kind: Affine, rows: Tensor, shapes: list[tuple[int, ...]]) -> list[Tensor]:
    parts = [pull_back(kind, part, shapes) for part in rows.split(_PULLED)]
    return [torch.cat(column) for column in zip(*parts, strict=True)]


def _magnitudes(kind: Affine, rows: Tensor, shapes: list[tuple[int, ...]]) -> list[Tensor]:
    """`|A|^T`, applied to rows that are not negative."""
    if isinstance(kind, Linear):
        return [rows @ kind.weight.abs()]
    if isinstance(kind, Conv) and not kind.transposed:
        plain = Conv(kind.weight.abs(), None, **kind.settings)
        return pull_back(plain, rows, shapes)
    with torch.enable_grad():
        points = [rows.new_zeros(len(rows), *shape).requires_grad_() for shape in shapes]
        value = (kind.absolute(*points) * rows).sum()
        return list(torch.autograd.grad(value, points))


def _scaled(found: _Zonotope, least: Tensor, most: Tensor, symbols: int, first: int) -> _Zonotope:
    """The gradient times a diagonal that lies anywhere in `[least, most]`.

    Args:
        found: the gradient after the step, cut.
        least, most: ends of the diagonal, (rows or 1, *shape).
        symbols: how many are kept at most.
        first: number of the step's first symbol.
    """
    middle = (least + most) / 2
    radius = torch.maximum(most - middle, middle - least)
    radius = torch.where(least == most, 0.0, _up(radius))
    whole = ((middle == 0) | (middle == 1)).expand_as(found.centre)
    size = found.size()
    lost = torch.where(whole, 0.0, 2 * UNIT64 * middle.abs() * size + _TINY)
    rest = middle.abs() * found.rest * torch.where(whole, 1.0, 1 + 8 * UNIT64)
    reach = (size + found.rest) * (1 + 4 * UNIT64)
    reach = torch.minimum(reach, torch.maximum(found.low.abs(), found.high.abs()))
    fresh = torch.where(radius > 0, radius * reach * (1 + 4 * UNIT64) + _TINY, 0.0)
    kept = found.symbols * middle[:, None]
    places = (fresh > 0).flatten(1).any(0).nonzero().flatten()
    room = max(0, symbols - kept.shape[1])
    rest = (rest + lost) * (1 + 4 * UNIT64)
    if len(places) > room:
        order = fresh.flatten(1).amax(0)[places].argsort(descending=True)
        dropped, places = places[order[room:]], places[order[:room]]
        flat = rest.flatten(1).clone()
        flat[:, dropped] += fresh.flatten(1)[:, dropped]
        rest = (flat * (1 + 4 * UNIT64)).reshape(rest.shape)
    rows, new = len(fresh), len(places)
    own = fresh.new_zeros(rows, new, fresh[0].numel())
    own[:, torch.arange(new, device=own.device), places] = fresh.flatten(1)[:, places]
    low, high = _times(found.low, found.high, least, most)
    return _Zonotope(
        found.centre * middle,
        torch.cat([kept, own.reshape(rows, new, *fresh.shape[1:])], 1),
        torch.cat([found.names, first + places]),
        rest,
        low,
        high,
    )


def _times(low: Tensor, high: Tensor, least: Tensor, most: Tensor) -> Ends:
    """The product of two intervals; exact where the second has ends 0 and 1 only."""
    products = torch.stack([least * low, least * high, most * low, most * high])
    lowest, highest = products.amin(0), products.amax(0)
    exact = ((least == 0) | (least == 1)) & ((most == 0) | (most == 1))
    return (
        torch.where(exact, lowest, _down(lowest)),
        torch.where(exact, highest, _up(highest)),
    )


def _spread(kind: MaxPool, found: _Zonotope) -> _Zonotope:
    """Every number of a window gets the gradient of the window's maximum."""
    window = 1
    for size in kind.kernel:
        window *= size

    def spread(one: Tensor) -> Tensor:
        return kind.joined(one[..., None].expand(*one.shape, window))

    parts = (found.centre, found.symbols, found.rest, found.low, found.high)
    centre, symbols, rest, low, high = map(spread, parts)
    return _Zonotope(centre, symbols, found.names, rest, low, high)


def _choices(kind: MaxPool, lower: Tensor, upper: Tensor) -> Ends:
    """The part of a window's gradient that each number can get.

    All of it only where the number is above all others for certain, a tie included; nothing
    where it is below another for certain; else anything between.
    """
    low, high = kind.windows(lower), kind.windows(upper)
    least = (low > _largest_other(high)).to(low.dtype)
    most = (high >= _largest_other(low)).to(low.dtype)
    return kind.joined(least), kind.joined(most)


def _largest_other(windows: Tensor) -> Tensor:
    """For every number of a window, the largest of the others."""
    place = windows.argmax(-1, keepdim=True)
    largest = windows.gather(-1, place)
    second = windows.scatter(-1, place, -torch.inf).amax(-1, keepdim=True)
    return largest.expand_as(windows).scatter(-1, place, second)


def derivative(kind: Univariate, low: Tensor, high: Tensor, kinks: bool, node: str) -> Ends:
    """Where the derivative of a function lies on intervals.

    Args:
        kind: the function.
        low, high: ends of the intervals.
        kinks: whether every choice at a kink is covered, also at one at an end.
        node: for the message of a refusal.

    Raises:
        UnsupportedBoundError: the interval leaves the domain, or the derivative has no bound.
    """
    if kind.native is not None:
        flat = float(dict(kind.parameters).get("alpha", 0.0))
        active, idle = (low > 0, high < 0) if kinks else (low >= 0, (high <= 0) & (low < 0))
        least = torch.ones_like(low).masked_fill(~active, flat)
        return least, torch.ones_like(low).masked_fill(idle, flat)
    if kinks:  # a kink just at an end: both of its slopes
        low, high = _down(low), _up(high)
    if not ((low > kind.domain[0]).all() and (high < kind.domain[1]).all()):
        raise UnsupportedBoundError(
            f"node {node!r}: the derivative of {kind.name} is not bounded where its input may lie "
            f"[{float(low.min()):.6g}, {float(high.max()):.6g}]; a smaller box may help"
        )
    steepest = kind.steepest(low, high)
    if not torch.isfinite(steepest).all():
        raise UnsupportedBoundError(
            f"node {node!r}: the derivative of {kind.name} is not bounded where its input may lie"
        )
    one, two = kind.slope(low), kind.slope(high)
    slack = 4 * kind.ulps * UNIT64 * torch.maximum(torch.ones_like(low), steepest)
    least, most = torch.minimum(one, two) - slack, torch.maximum(one, two) + slack
    bends = kind.curvature(low, high) == 0  # the derivative may rise and fall in between
    least = torch.where(bends, _never_below(kind, low, high, (one, two), slack), least)
    most = torch.where(bends, steepest, most)
    return _down(torch.maximum(least, -steepest)), _up(torch.minimum(most, steepest))


def _never_below(
    kind: Univariate, low: Tensor, high: Tensor, slopes: Ends, slack: Tensor
) -> Tensor:
    """A number that the derivative is never below: the best of three.

    Derivatives take every value between two of theirs. So where no place of the interval has
    slope k, and the slope somewhere is above k, it is above k everywhere. Tried are a number
    just below the slopes at the ends, and 0; else it is the steepest.

    Args:
        kind: the function.
        low, high: ends of the intervals.
        slopes: the computed slopes there.
        slack: how far those may be from the truth.
    """
    steepest = kind.steepest(low, high)
    inner = [torch.maximum(torch.minimum(x, high), low) for x in ((low + high) / 2, 0 * low)]
    taken = torch.stack([*slopes, *map(kind.slope, inner)]).amax(0) - slack
    margin = 1e-9 * (1 + low.abs() + high.abs())
    best = -steepest
    just_below = torch.minimum(*slopes) - slack - 1e-6 * steepest
    for tried in (just_below, torch.zeros_like(low)):
        places = kind.stationary(tried)
        near = (places >= (low - margin)[..., None]) & (places <= (high + margin)[..., None])
        sure = ~near.any(-1) & (tried < taken)
        best = torch.where(sure, torch.maximum(best, tried), best)
    return best


def _outward(values: Tensor, moved: Tensor, towards: float) -> Tensor:
    """One step towards an end, where anything was added."""
    stepped = torch.nextafter(values, torch.full_like(values, towards))
    return torch.where(moved == 0, values, stepped)


def _down(values: Tensor) -> Tensor:
    return torch.nextafter(values, torch.full_like(values, -torch.inf))


def _up(values: Tensor) -> Tensor:
    return torch.nextafter(values, torch.full_like(values, torch.inf))
