"""One parent pass serves every group.

A backward pass over the whole box B gives, for every unstable neuron j, an affine function of the
input that bounds it on B, hence on every sub-box. On `B_u` its extreme is a sum over the inputs
that are not frozen; so the intermediate bounds of *all* groups come from one product of
contributions and memberships. A line that the pass takes at a ReLU is at least so far off it on the
tighter interval of a group, and that comes off the bounds of all neurons after it: one product of
coefficients and slacks for every ReLU on the way. Then one last backward pass per group, with
lines made from its own intermediate bounds, gives its margin rows.

Neurons that are stable on B stay so on `B_u`. Rows are pruned: the last coefficients on B bound
every row on every `B_u`, and a row whose shared bound is not above the best refined one of its
group cannot change the maximum.

Source: ours; the coefficients are those of CROWN (Zhang et al. 2018, arXiv:1811.00866).
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from verixplain.bounds import Engine, out_of_memory
from verixplain.bounds._lirpa import Coefficients, undisturbed
from verixplain.bounds.adam import Adam
from verixplain.bounds.backward import Above, Bounded, Open, above
from verixplain.bounds.enclosure import UNIT, Interval, Rounding, enclose, through
from verixplain.bounds.frozen import Frozen
from verixplain.bounds.slack import Line, Slack, slack_of
from verixplain.errors import BoundFailedError, OutOfMemoryError, RegionError
from verixplain.features import Groups
from verixplain.network.primitives import Affine, MaxPool, Plan, Rearrange, Univariate
from verixplain.query import Box, Target

Progress = Callable[[str, int, int], None]

_GROUPS = 128
"""Groups carried together at most: more no longer helps on a CPU."""
_ROWS = 64
"""Rows of coefficients turned into bounds of groups together: more leave a CPU's cache."""


@dataclass(frozen=True, eq=False)
class GroupBounds:
    """`U(B)` and every `U(B_u)`.

    Args:
        parent: upper bounds of every row over B, (rows,).
        groups: upper bounds of the largest row over every B_u, (groups,).
        shared: upper bounds of every row from the parent's coefficients alone, (rows, groups).
        rows: the same, and from a pass of its own where there was one, (rows, groups).
        values: rigorous intervals over B of every relaxed step's input, (1, *shape) each.
        rows_evaluated: margin rows that were bounded again for a group.
        timing: seconds of the stages `parent`, `groups` and `final`.
    """

    parent: np.ndarray
    groups: np.ndarray
    shared: np.ndarray
    rows: np.ndarray
    values: Mapping[str, tuple[Tensor, Tensor]]
    rows_evaluated: int
    timing: Mapping[str, float] = field(default_factory=dict)


@torch.no_grad()
def bound_groups(
    engine: Engine,
    box: Box,
    groups: Groups,
    target: Target,
    *,
    intermediate: str = "crown",
    iterations: int = 0,
    face: tuple[np.ndarray, np.ndarray] | None = None,
    held: tuple[np.ndarray, np.ndarray] | None = None,
    progress: Progress | None = None,
) -> GroupBounds:
    """Bound the overlap over B and over every B_u.

    Args:
        engine: the network in one precision on one device.
        box: the parent box.
        groups: any, also overlapping ones and such that leave inputs out.
        target: whose rows are bounded.
        intermediate: `crown`, or `ibp` for intervals in place of backward passes.
        iterations: steps in which the slopes of the last pass are optimised on B; every group
            then uses them (any slope in range is sound).
        face: lower and upper ends, within the box, of what inputs do where they are not frozen.
            By default the box; a face need not hold the center, the box must hold both. The
            bounds are then over the face, and over the face with each group at the center.
        held: lower and upper ends, within the box, of where the inputs of a frozen group lie. By
            default the center.
        progress: told how many groups are done.

    Raises:
        OutOfMemoryError: not even one group fits.
        BoundFailedError: NaN or infinity.
    """
    for ends in (face, held):
        if (
            ends is not None
            and not ((box.lower <= ends[0]) & (ends[0] <= ends[1]) & (ends[1] <= box.upper)).all()
        ):
            raise RegionError("a face, and where frozen inputs lie, must lie in the box")
    parent = Parent(engine, box, groups, target, intermediate, face, held)
    begin = time.perf_counter()
    with undisturbed(engine.dtype):  # no TF32, no Winograd: allowances do not cover them
        parent.run(iterations)
    middle = time.perf_counter()
    with undisturbed(engine.dtype):
        refined, evaluated = parent.refine(progress)
    end = time.perf_counter()
    if not (np.isfinite(refined).all() and np.isfinite(parent.rows_upper).all()):
        raise BoundFailedError(
            f"the parent pass gave NaN or infinity on {engine.network.name!r}; "
            "a smaller box may work"
        )
    timing = {
        "parent": middle - begin - parent.reducing,
        "groups": parent.reducing,
        "final": end - middle,
    }
    rows, values = parent.rows_refined(), parent.intervals()
    return GroupBounds(parent.rows_upper, refined, parent.shared, rows, values, evaluated, timing)


@torch.no_grad()
def linear_bounds(
    engine: Engine, box: Box, groups: Groups, target: Target
) -> tuple[np.ndarray, np.ndarray]:
    """One linear bound of every row over B, and what it says with each group frozen.

    The differences add up over groups that share no input, since the coefficients are the same.

    Returns:
        Upper bounds of the rows over B, (rows,), and over every B_u, (rows, groups).
    """
    parent = Parent(engine, box, groups, target, "crown", None, None)
    with undisturbed(engine.dtype):
        parent.run(0)
    return parent.rows_upper, parent.shared


@dataclass(frozen=True)
class _Tight:
    """Bounds of the neurons `index` of one value.

    Args:
        index: numbers of the neurons.
        low, high: over B, (neurons,).
        lower, upper: over every B_u, (groups, neurons).
    """

    index: Tensor
    low: Tensor
    high: Tensor
    lower: Tensor
    upper: Tensor


class Parent:
    """The parent's bounds and coefficients, and what they give every group."""

    def __init__(
        self,
        engine: Engine,
        box: Box,
        groups: Groups,
        target: Target,
        intermediate: str,
        face: tuple[np.ndarray, np.ndarray] | None,
        held: tuple[np.ndarray, np.ndarray] | None,
    ) -> None:
        self.engine, self.plan, self.groups = engine, engine.plan, groups
        self.intermediate = intermediate
        self.hull = engine.tensor(box.lower)[None], engine.tensor(box.upper)[None]
        self.values = enclose(engine.exact, *self.hull, engine.widen)
        self.steps = {step.name: step for step in self.plan.steps}
        self.kinked = _kinked(self.plan)
        self.bounded: dict[str, tuple[Tensor, Tensor]] = {}
        self.tight: dict[str, _Tight] = {}
        self.slopes: dict[str, Tensor] | None = None
        self._parts: dict[str, list[_Tight]] = {}
        self._slacks: dict[str, Slack] = {}
        self._passed: list[tuple[Slack, Coefficients]] = []
        self.rounding = Rounding(engine.exact, Interval(*self.hull), UNIT[engine.dtype], self._look)
        self.inputs = Frozen(engine, box, groups, face, held, self._size_of_input)
        self.center, self.frozen = self.inputs.center, self.inputs.members
        self.over_groups, self.furthest = self.inputs.over_groups, self.inputs.furthest
        matrix, offsets = target.matrix(engine.network.outputs)
        self.matrix = engine.tensor(matrix).to(engine.dtype)
        self.offsets = engine.tensor(offsets)
        self.reducing = 0.0

    def _look(self, name: str) -> Interval | None:
        if name not in self.bounded:
            return None
        low, high = self.bounded[name]
        return Interval(low.double(), high.double())

    def _sizes(self, name: str) -> Tensor:
        if not self.engine.widen:
            return torch.zeros((1, 1), dtype=self.engine.dtype, device=self.engine.device)
        size = self.rounding.size(name, self.engine.dtype)
        # At the input: center, offsets, and the sums over all inputs and over groups.
        return 4 * size if name == self.plan.input else size

    def _size_of_input(self) -> Tensor:
        if not self.engine.widen:
            return torch.zeros_like(self.center)
        return self.rounding.size(self.plan.input, self.engine.dtype).flatten()

    def run(self, iterations: int) -> None:
        """Everything that comes from the whole box: coefficients, and what they give the groups.

        Coefficients are never all in memory: a layer's are reduced to sums over the groups as
        soon as its backward pass is over, and a large layer's pass is made in parts.
        """
        low, high = self.engine.outward(*self.hull)
        self.reference = {
            name: self.engine.outward(known.lower, known.upper)
            for name, known in self.values.items()
        }
        _, _, _, used = self.engine.graph.bounds(
            "crown-ibp" if self.intermediate == "ibp" else "crown",
            low,
            high,
            self.matrix[None],
            self.reference,
            {},
            self.engine.rows_at_once(self.values, len(self.matrix)),
            self.engine.widen,
            self,
        )
        self.bounded = {name: used[name] for name in self.plan.relaxed_inputs()}
        for name in self._parts:
            self._check_rest_is_stable(name, self._tight(name).index)
        self._parts.clear()
        self._slacks.clear()
        self._passed.clear()
        if iterations:
            self.slopes = self._optimised(iterations)
            found = self._above(self.plan.output, self._rows(), self.bounded, self.slopes)
            whole = found.constant + self.inputs.largest(found.slopes)
            self._last(self.over_groups(whole, found.slopes, +1), whole)

    def _check_rest_is_stable(self, name: str, index: Tensor) -> None:
        """Numbers without coefficients are taken as stable, which they must be."""
        low, high = (side.flatten() for side in self.bounded[name])
        open_ = ~((low >= 0) | (high <= 0))
        open_[index] = False
        if bool(open_.any()):
            raise BoundFailedError(
                f"value {name!r}: {int(open_.sum())} unstable numbers came without coefficients; "
                "use --engine per-group"
            )

    def _tight(self, name: str) -> _Tight:
        """Bounds of a value whose passes are all over."""
        if name not in self.tight:
            columns = [vars(part).values() for part in self._parts[name]]
            self.tight[name] = _Tight(*[torch.cat(part, -1) for part in zip(*columns, strict=True)])
        return self.tight[name]

    def begin(self) -> None:
        """A backward pass begins."""
        self._passed.clear()

    def relu(self, name: str, line: Line, coefficients: Coefficients) -> None:
        """The pass goes through a ReLU: what its line is off counts once the pass has ended."""
        begin = time.perf_counter()
        if name in self._parts:
            if name not in self._slacks:
                at = self._tight(name)
                slope, offset, flat = (part[at.index] for part in line)
                self._slacks[name] = slack_of(
                    at.index, at.lower, at.upper, (at.low, at.high), (slope, offset, flat)
                )
            self._passed.append((self._slacks[name], coefficients))
        self.reducing += time.perf_counter() - begin

    def rows(
        self,
        name: str,
        index: Tensor,
        lower: Tensor | None,
        upper: Tensor,
        coefficients: Coefficients,
    ) -> None:
        """Bounds over every group from one pass's coefficients."""
        begin = time.perf_counter()
        kept = torch.arange(len(index), device=index.device)
        if name == self.plan.output:
            (over,) = self._over_groups((None, upper), coefficients, kept)
            self._last(over.T, upper)
        elif lower is not None:
            low, high = (side.flatten()[index] for side in self.reference[name])
            low, high = torch.maximum(low, lower), torch.minimum(high, upper)
            if name in self.kinked:  # what is stable on B needs no bounds over B_u
                kept = kept[(low < 0) & (high > 0)]
            below, over = self._over_groups((lower, upper), coefficients, kept)
            low, high = low[kept], high[kept]
            tight = torch.maximum(below, low), torch.minimum(over, high)
            self._parts.setdefault(name, []).append(_Tight(index[kept], low, high, *tight))
        self.reducing += time.perf_counter() - begin

    def _over_groups(
        self, ends: tuple[Tensor | None, Tensor], coefficients: Coefficients, chosen: Tensor
    ) -> list[Tensor]:
        """Bounds over every B_u of some rows of a pass, lower and upper: (groups, chosen) each."""
        parts = [self._few_over_groups(ends, coefficients, few) for few in chosen.split(_ROWS)]
        return [torch.cat(side, 1) for side in zip(*parts, strict=True)]

    def _few_over_groups(
        self, ends: tuple[Tensor | None, Tensor], coefficients: Coefficients, chosen: Tensor
    ) -> list[Tensor]:
        gains: list[Tensor | None] = [None, None]
        for slack, found in self._passed:
            for side, rows in enumerate(found(chosen)):
                if rows is not None:
                    gain, past = slack.gain(rows, 2 * side - 1), gains[side]
                    gains[side] = gain if past is None else past + gain
        bounds, below, parts = [], None, None
        for side, whole, slopes, gain in zip(
            (-1, +1), ends, coefficients(chosen), gains, strict=True
        ):
            if whole is None or slopes is None:
                continue
            if parts is None or slopes is not below:  # before the first relaxation they are one
                below, parts = slopes, self.inputs.of_groups(slopes)
            whole = self.inputs.on_face(whole[chosen], slopes, side)
            found = self.inputs.without(parts, whole, side)
            bounds.append(found if gain is None else self._less(found, gain, side))
        return bounds

    def _less(self, bounds: Tensor, gain: Tensor, side: int) -> Tensor:
        """Bounds without what the lines of a pass are off, rounded outward."""
        unit, tiny = UNIT[bounds.dtype], torch.finfo(bounds.dtype).tiny
        gain = gain * (1 - 4 * len(self._passed) * unit) - (4 * unit * bounds.abs() + tiny)
        return bounds - side * gain.clamp(min=0)

    def _last(self, groups: Tensor, whole: Tensor) -> None:
        """The rows over every B_u, (rows, groups), and over B, (rows,)."""
        self.rows_upper = self.numbers(whole.double() + self.offsets)
        self.rows_shared = groups.double() + self.offsets[:, None]
        self.shared = self.numbers(self.rows_shared)
        self.rows_own = self.rows_shared.clone()

    def _rows(self) -> Tensor:
        return self.matrix.reshape(-1, *self.plan.shapes[self.plan.output])

    def _above(
        self,
        start: str,
        rows: Tensor,
        bounded: Bounded,
        slopes: Mapping[str, Tensor] | None = None,
    ) -> Above:
        return above(self.plan, start, rows, bounded, self._sizes, slopes)

    def _optimised(self, iterations: int) -> dict[str, Tensor]:
        """Slopes below unstable neurons that lower the rows' bounds over B, by gradient."""
        rows = self._rows()
        kinds = {step.inputs[0]: step.kind for step in self.plan.steps}
        flat, slopes = {}, {}
        for name, (low, high) in self.bounded.items():
            kind = kinds.get(name)
            if isinstance(kind, Univariate) and kind.native is not None:
                flat[name] = float(dict(kind.parameters).get("alpha", 0.0))
                start = torch.full_like(low, flat[name]).masked_fill(high > -low, 1.0)
                slopes[name] = start.expand(len(rows), *low.shape[1:]).clone().requires_grad_()
        best = {name: slope.detach().clone() for name, slope in slopes.items()}
        if not slopes:
            return best
        lowest = torch.full((len(rows),), torch.inf, dtype=rows.dtype, device=rows.device)
        optimiser = Adam(slopes.values(), 0.1)
        for _ in range(iterations):
            with torch.enable_grad():
                found = self._above(self.plan.output, rows, self.bounded, slopes)
                whole = found.constant + self.inputs.largest(found.slopes)
                whole.sum().backward()
            better = whole.detach() < lowest
            lowest = torch.where(better, whole.detach(), lowest)
            for name, slope in slopes.items():
                best[name][better] = slope.detach()[better]
            optimiser.step()
            for name, slope in slopes.items():
                slope.data.clamp_(flat[name], 1.0)
        return best

    def refine(self, progress: Progress | None) -> tuple[np.ndarray, int]:
        """Rows of groups again, with lines of their own: of each group first the largest."""
        shared, count, evaluated = self.rows_shared, len(self.groups), 0
        order = shared.argsort(0, descending=True)
        best = torch.full((count,), -torch.inf, dtype=torch.float64, device=order.device)
        # A group that freezes nothing that could move: `B_u` is `B`, and its bound the parent's.
        settled = self.inputs.share == 0
        best[settled] = shared.amax(0)[settled]
        for first, places in ((True, order[:1]), (False, order[1:])):
            rows = places.flatten()
            groups = torch.arange(count, device=rows.device).repeat(len(places))
            for batch in self._batches(groups, shared[rows, groups] > best[groups]):
                batch = batch[shared[rows[batch], groups[batch]] > best[groups[batch]]]
                row, part = rows[batch], groups[batch]
                found = torch.minimum(self._in_parts(part, row), shared[row, part])
                self.rows_own[row, part] = found
                best.scatter_reduce_(0, part, found, "amax")
                evaluated += len(part)
                if progress is not None and first:
                    progress("bound", evaluated, count)
        return self.numbers(best), evaluated

    def rows_refined(self) -> np.ndarray:
        """Every row over every B_u: the better of its bounds, and never above that over B."""
        return np.minimum(self.numbers(self.rows_own), self.rows_upper[:, None])

    def intervals(self) -> dict[str, tuple[Tensor, Tensor]]:
        """The intervals in use over B, in float64, cut with those of one forward pass."""
        found = {}
        for name, (low, high) in self.bounded.items():
            plain = self.values[name]
            found[name] = (
                torch.maximum(low.double(), plain.lower),
                torch.minimum(high.double(), plain.upper),
            )
        return found

    def _batches(self, groups: Tensor, chosen: Tensor) -> list[Tensor]:
        """Numbers of chosen pairs, as many together as fit in memory; `within` bounds two kinds."""
        sizes = sum(int(np.prod(shape)) for shape in self.plan.shapes.values())
        each = 8 * sizes * self.engine.dtype.itemsize
        size = max(1, min(_GROUPS, self.engine.memory() // each // 2))
        narrow = self.inputs.share[groups] > 0.5
        kinds = [(chosen & kind).nonzero().flatten() for kind in (narrow, ~narrow)]
        return [part for kind in kinds if len(kind) for part in kind.split(size)]

    def _in_parts(self, part: Tensor, rows: Tensor) -> Tensor:
        """`_refined`, in halves where memory runs out."""
        try:
            return self._refined(part, rows)
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            if len(part) == 1:
                raise OutOfMemoryError("not even one group fits in memory") from error
        half = len(part) // 2
        return torch.cat(
            [
                self._in_parts(part[:half], rows[:half]),
                self._in_parts(part[half:], rows[half:]),
            ]
        )

    def _refined(self, part: Tensor, rows: Tensor) -> Tensor:
        """Upper bounds of a row over each of some groups: (groups,)."""
        begin = self.matrix[rows].reshape(len(part), *self.plan.shapes[self.plan.output])
        slopes = None
        if self.slopes is not None:
            slopes = {name: slope[rows] for name, slope in self.slopes.items()}
        held = self.frozen(part)
        bounds, _ = self.over(begin, rows, self.within(part, held), held, slopes)
        return bounds

    def over(
        self,
        begin: Tensor,
        rows: Tensor,
        bounded: Bounded,
        held: Tensor,
        slopes: Mapping[str, Tensor] | None = None,
        added: Mapping[str, Tensor] | None = None,
        seen: dict[str, Tensor] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Upper bounds of rows over sub-boxes, (n,), and coefficients of the input, (n, inputs).

        Args:
            begin: coefficients of the output, (n, *its shape), rows of the target.
            rows: their numbers, (n,).
            bounded: bounds of every relaxed step's inputs over each sub-box.
            held: (n, inputs), True where an input is frozen.
            slopes, added, seen: as for `above`.
        """
        found = above(self.plan, self.plan.output, begin, bounded, self._sizes, slopes, added, seen)
        upper = found.constant + self.inputs.largest(found.slopes, held)
        return upper.double() + self.offsets[rows], found.slopes

    def within(self, part: Tensor, held: Tensor) -> Bounded:
        """Bounds of every relaxed step's inputs over some B_u: (groups, *shape) each."""
        if self.intermediate == "ibp":
            return self._intervals_within(held)
        if bool((self.inputs.share[part] > 0.5).all()):
            return self._cut_within(part, held)
        found: dict[str, tuple[Tensor, Tensor] | Open] = {}
        for name, (low, high) in self.bounded.items():
            if name in self.tight:
                tight = self.tight[name]
                found[name] = Open(low, high, tight.index, tight.lower[part], tight.upper[part])
            elif self._from_tight(name):
                found[name] = self._carried(name, found)
            else:
                found[name] = (low, high)
        return found

    def _cut_within(self, part: Tensor, held: Tensor) -> Bounded:
        """Where little is left to move, the intervals of B_u itself are tighter: both are used."""
        values = self._intervals_within(held)
        found: dict[str, tuple[Tensor, Tensor]] = {}
        for name, (low, high) in self.bounded.items():
            if name in self.tight:
                tight = self.tight[name]
                low, high = Open(
                    low, high, tight.index, tight.lower[part], tight.upper[part]
                ).full()
            found[name] = torch.maximum(low, values[name][0]), torch.minimum(high, values[name][1])
        return found

    def _from_tight(self, name: str) -> bool:
        """Whether a value's interval follows from values that groups bound more tightly."""
        if name in self.tight:
            return True
        if name == self.plan.input or not self._follows_one(name):
            return False
        return all(self._from_tight(part) for part in self.steps[name].inputs)

    def _follows_one(self, name: str) -> bool:
        kind = self.steps[name].kind
        return isinstance(kind, (Univariate, MaxPool)) or (
            isinstance(kind, Rearrange) and kind.terms == 0
        )

    def _carried(self, name: str, found: Bounded) -> tuple[Tensor, Tensor]:
        """The interval of a value of every group, from those of its step's inputs."""
        if name in found:
            ends = found[name]
            return ends.full() if isinstance(ends, Open) else ends
        parts = [self._carried(part, found) for part in self.steps[name].inputs]
        ends = through(self.steps[name], [Interval(a.double(), b.double()) for a, b in parts])
        return self.engine.outward(ends.lower, ends.upper)

    def _intervals_within(self, held: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        values = enclose(self.engine.exact, *self.inputs.within(held), self.engine.widen)
        return {
            name: self.engine.outward(values[name].lower, values[name].upper)
            for name in self.bounded
        }

    def numbers(self, values: Tensor) -> np.ndarray:
        """Numbers as float64, one step up: the last addition was rounded."""
        return np.nextafter(values.double().cpu().numpy(), np.inf)


def _kinked(plan: Plan) -> set[str]:
    """Values that only piecewise linear functions of one number act on."""
    piecewise, others = set(), set()
    for step in plan.steps:
        if isinstance(step.kind, Univariate) and step.kind.native is not None:
            piecewise.update(step.inputs)
        elif not isinstance(step.kind, Affine):
            others.update(step.inputs)
    return piecewise - others
