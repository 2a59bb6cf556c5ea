"""Where a row can be at least as large as a floor: pieces of a box, and what values lie there.

Whoever looks for the largest value of a row need not look where the row is below a value that is
known to be reached. That the row is at least `floor` there is a constraint like that of a split
neuron's phase; a constraint `a . x + b >= 0` may be added to any linear upper bound with any
multiplier that is not negative, so both tighten the bounds of the neurons that are open. Tighter
neurons make a tighter row, and so on. A piece where the row's bound is below the floor, or where an
interval is empty, holds no such point and is dropped; the others cover all there are.

Source: ours; constraints on the output in bounds of neurons are those of INVPROP (Kotha et al.
2023, arXiv:2302.01404), multipliers of phases those of beta-CROWN (Wang et al. 2021,
arXiv:2103.06624).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from verixplain.bounds import Engine
from verixplain.bounds._lirpa import undisturbed
from verixplain.bounds.adam import Adam
from verixplain.bounds.backward import above
from verixplain.bounds.enclosure import UNIT64, Interval, Rounding, enclose, gamma
from verixplain.errors import UnsupportedBoundError
from verixplain.network.primitives import Univariate

Ends = tuple[Tensor, Tensor]

_STEPS, _RATE = 8, 0.2
"""Gradient steps of multipliers, in units of the width of what is bounded by that of the cut."""
_MOST = 1024
"""Numbers of one value that are bounded anew at most."""
_TINY = 2.0**-1000


@dataclass(frozen=True)
class Forms:
    """`slopes . x + constant` of the input, (n, inputs) and (n,)."""

    slopes: Tensor
    constant: Tensor

    def joined(self, other: "Forms") -> "Forms":
        """These, and others after them."""
        return Forms(
            torch.cat([self.slopes, other.slopes]), torch.cat([self.constant, other.constant])
        )

    def size(self, far: Tensor) -> Tensor:
        """At least the sum of the magnitudes of all terms, where `|x| <= far`."""
        return self.slopes.abs() @ far + self.constant.abs()


@dataclass(frozen=True, eq=False)
class Piece:
    """A part of the box.

    Args:
        values: where every relaxed step's input lies, at points of the piece where the row is at
            least the floor: (1, *shape) each.
        phases: of neurons, that make it: a value, a number of it and +1 or -1.
    """

    values: Mapping[str, Ends]
    phases: tuple[tuple[str, int, int], ...] = ()


@dataclass(frozen=True, eq=False)
class Tight(Piece):
    """A piece whose intervals were made tighter.

    Args:
        row: the row's linear upper bound there, without its offset.
        cuts: forms that are not negative there.
        dearest: the neuron whose phase moves the row's gradient most; None where all are known.
    """

    dearest: tuple[str, int] | None = None
    row: Forms = field(kw_only=True)
    cuts: Forms = field(kw_only=True)

    def halves(self) -> list[Piece]:
        """The piece with its dearest neuron active, and idle."""
        if self.dearest is None:
            return []
        name, place = self.dearest
        found = []
        for phase in (+1, -1):
            low, high = (end.clone() for end in self.values[name])
            (low if phase > 0 else high).view(-1)[place] = 0.0
            values = {**self.values, name: (low, high)}
            found.append(Piece(values, (*self.phases, (name, place, phase))))
        return found


class Superlevel:
    """The points of a box where one row is at least a floor.

    Args:
        engine: the network in float64 on one device.
        lower, upper: ends of the box, in the input's shape.
        row: coefficients of the output, (1, *its shape).
        offset: what is added to the row.
        floor: the number.

    Raises:
        UnsupportedBoundError: no step of the network has phases.
    """

    def __init__(
        self,
        engine: Engine,
        lower: Tensor,
        upper: Tensor,
        row: Tensor,
        offset: float,
        floor: float,
    ) -> None:
        self.plan, self.row, self.memory = engine.exact, row, engine.memory()
        self.box = Interval(lower[None], upper[None])
        self.plain = enclose(self.plan, self.box.lower, self.box.upper)
        self.lower, self.upper = lower.flatten(), upper.flatten()
        self.far = torch.maximum(self.lower.abs(), self.upper.abs())
        self.offset, self.floor = offset, floor
        self.phased = [
            step.inputs[0]
            for step in self.plan.steps
            if isinstance(step.kind, Univariate) and step.kind.native is not None
        ]
        if not self.phased:
            raise UnsupportedBoundError("no neuron of this network has phases")

    def within(self, piece: Piece) -> Piece | None:
        """A piece of a larger box, cut to this one; None where nothing of it is left."""
        values = {}
        for name, (low, high) in piece.values.items():
            known = self.plain[name].cut(Interval(low, high))
            if not bool((known.lower <= known.upper).all()):
                return None
            values[name] = (known.lower, known.upper)
        return Piece(values, piece.phases)

    @torch.no_grad()
    def tightened(self, piece: Piece) -> Tight | None:
        """Better intervals of all open neurons, layer by layer; None where no point is left."""
        values = dict(piece.values)
        with undisturbed(torch.float64):
            cuts = self._above_floor(self._linear(self.plan.output, self.row, values))
            if float(self._least(cuts, cuts)[0]) < 0:
                return None
            for name in self.phased:
                values[name] = self._tighter(name, values, cuts)
                if not bool((values[name][0] <= values[name][1]).all()):
                    return None
                phases = {i: sign for value, i, sign in piece.phases if value == name}
                if phases:
                    rows = self._picked(name, torch.tensor(list(phases)), list(phases.values()))
                    cuts = cuts.joined(self._linear(name, rows, values))
            seen: dict[str, Tensor] = {}
            row = self._linear(self.plan.output, self.row, values, seen)
            if float(self._least(self._above_floor(row), cuts)[0]) < 0:
                return None
        dearest = self._dearest(values, seen)
        return Tight(values, piece.phases, dearest, row=row, cuts=cuts)

    def most(self, piece: Tight, lower: Tensor, upper: Tensor) -> Tensor:
        """Upper bounds of the row on boxes, where it is at least the floor on a tightened piece.

        Args:
            piece: a tightened piece.
            lower, upper: ends of the boxes, which lie in the box, (n, inputs).
        """
        count, shape = len(lower), piece.row.slopes.shape[1:]
        rows = Forms(piece.row.slopes.expand(count, *shape), piece.row.constant.expand(count))
        found = self._least(rows, piece.cuts, (lower, upper))
        return _up(found + torch.as_tensor(self.offset).to(found))

    def _linear(
        self,
        name: str,
        rows: Tensor,
        values: Mapping[str, Ends],
        seen: dict[str, Tensor] | None = None,
    ) -> Forms:
        """Linear upper bounds of rows on a value."""

        def look(value: str) -> Interval | None:
            return Interval(*values[value]) if value in values else None

        rounding = Rounding(self.plan, self.box, UNIT64, look)

        def sizes(value: str) -> Tensor:
            return rounding.size(value, torch.float64)

        found = above(self.plan, name, rows, values, sizes, None, None, seen)
        return Forms(found.slopes, found.constant)

    def _tighter(self, name: str, values: Mapping[str, Ends], cuts: Forms) -> Ends:
        """Intervals of a value, those of its widest open numbers made better."""
        low, high = (end.clone() for end in values[name])
        flat_low, flat_high = low.view(-1), high.view(-1)
        places = _open(values[name]).flatten().nonzero().flatten()
        widest = (flat_high - flat_low)[places].argsort(descending=True)
        for part in places[widest[:_MOST]].split(self._together()):
            signs = [1] * len(part) + [-1] * len(part)
            rows = self._picked(name, torch.cat([part, part]), signs)
            over, under = self._least(self._linear(name, rows, values), cuts).chunk(2)
            flat_high[part] = torch.minimum(flat_high[part], over)
            flat_low[part] = torch.maximum(flat_low[part], -under)
        return low, high

    def _together(self) -> int:
        """Rows and their negatives that fit in memory at once."""
        widest = max(_numel(shape) for shape in self.plan.shapes.values())
        return max(1, self.memory // (128 * widest))

    def _picked(self, name: str, places: Tensor, signs: Sequence[int]) -> Tensor:
        """Rows that pick one number of a value each, with a sign."""
        shape, count = self.plan.shapes[name], len(places)
        rows = self.row.new_zeros(count, _numel(shape))
        rows[torch.arange(count), places] = torch.tensor(signs).to(rows)
        return rows.reshape(count, *shape)

    def _above_floor(self, row: Forms) -> Forms:
        """The row less the floor, not negative on any point that is looked for; rounded up."""
        shift = torch.as_tensor(self.offset - self.floor).to(row.constant)
        moved = row.constant + _up(_up(shift))
        return Forms(row.slopes, _up(moved))

    def _least(self, forms: Forms, cuts: Forms, box: "Ends | None" = None) -> Tensor:
        """The least bounds found over multipliers of cuts, rounding included: (n,).

        Args:
            forms: what is bounded.
            cuts: forms that are not negative where it matters.
            box: where the input lies, (n or 1, inputs); by default the box.
        """
        lower, upper = (self.lower[None], self.upper[None]) if box is None else box
        far = torch.where(forms.slopes > 0, upper, lower)
        best = self._bounded(forms, forms.slopes.new_zeros(len(far), len(cuts.slopes)), cuts, box)
        # Where the largest value keeps all constraints, no multiplier helps.
        index = (far @ cuts.slopes.T + cuts.constant < 0).any(1).nonzero().flatten()
        if not len(index):
            return best
        some = Forms(forms.slopes[index], forms.constant[index])
        if len(lower) > 1:
            lower, upper = lower[index], upper[index]
        width = some.slopes.abs() @ (self.upper - self.lower)
        span = cuts.slopes.abs() @ (self.upper - self.lower)
        unit = width[:, None] / torch.where(span > 0, span, 1.0)
        shares = torch.zeros_like(unit)
        optimiser = Adam([shares], _RATE)
        for _ in range(_STEPS):
            far = torch.where((shares * unit) @ cuts.slopes + some.slopes > 0, upper, lower)
            shares.grad = (far @ cuts.slopes.T + cuts.constant) * unit
            optimiser.step()
            shares.clamp_(min=0.0)
        bounds = self._bounded(some, shares * unit, cuts, (lower, upper))
        best[index] = torch.minimum(best[index], bounds)
        return best

    def _bounded(
        self, forms: Forms, multipliers: Tensor, cuts: Forms, box: "Ends | None"
    ) -> Tensor:
        """Upper bounds of forms with multiples of cuts: (n,)."""
        lower, upper = (self.lower[None], self.upper[None]) if box is None else box
        slopes = forms.slopes + multipliers @ cuts.slopes
        constant = forms.constant + multipliers @ cuts.constant
        found = torch.maximum(slopes * lower, slopes * upper).sum(1) + constant
        size = forms.size(self.far) + multipliers @ cuts.size(self.far)
        terms = 2 * len(self.far) + len(cuts.constant) + 64
        return _up(found + 2 * gamma(terms, UNIT64) * size + _TINY)

    def _dearest(
        self, values: Mapping[str, Ends], seen: Mapping[str, Tensor]
    ) -> tuple[str, int] | None:
        """The open neuron of the largest coefficient times width."""
        best, most = None, 0.0
        for name in self.phased:
            low, high = values[name]
            cost = torch.where(_open(values[name]), seen[name].abs() * (high - low), 0.0).flatten()
            place = int(cost.argmax())
            if float(cost[place]) > most:
                best, most = (name, place), float(cost[place])
        return best


def _open(ends: Ends) -> Tensor:
    return (ends[0] < 0) & (ends[1] > 0)


def _numel(shape: tuple[int, ...]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count


def _up(values: Tensor) -> Tensor:
    return torch.nextafter(values, torch.full_like(values, torch.inf))
