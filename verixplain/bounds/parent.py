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
from verixplain.bounds._lirpa import Side, undisturbed
from verixplain.bounds.adam import Adam
from verixplain.bounds.backward import Above, Bounded, Open, above
from verixplain.bounds.enclosure import UNIT, Interval, Rounding, enclose, through
from verixplain.errors import BoundFailedError, OutOfMemoryError, RegionError
from verixplain.features import Groups
from verixplain.network.primitives import MaxPool, Rearrange, Univariate
from verixplain.query import Box, Target

Progress = Callable[[str, int, int], None]

_GROUPS = 128
"""Groups carried together at most: more no longer helps on a CPU."""
_FEW = 256
"""Up to so many groups a matrix product is faster than adding by index."""


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


class _Memberships:
    """Sums over the inputs of every group: a product for few groups, by index for many."""

    def __init__(self, groups: Groups, dtype: torch.dtype, device: str) -> None:
        self.count = len(groups)
        counted = np.bincount(np.concatenate(groups.members), minlength=int(np.prod(groups.shape)))
        self.by_index = self.count > _FEW and bool((counted <= 1).all())
        if self.by_index:
            labels = groups.label_map().ravel()
            self.labels = torch.as_tensor(np.where(labels < 0, self.count, labels), device=device)
        else:
            self.table = torch.as_tensor(groups.memberships().T, dtype=dtype, device=device)

    def sums(self, parts: Tensor) -> Tensor:
        """(rows, inputs) -> (rows, groups)."""
        if not self.by_index:
            return parts @ self.table
        found = parts.new_zeros(len(parts), self.count + 1)
        return found.index_add_(1, self.labels, parts)[:, : self.count]


@dataclass(frozen=True)
class _Tight:
    """Bounds of the neurons `index` of one value over every B_u: (groups, neurons) each."""

    index: Tensor
    lower: Tensor
    upper: Tensor


@dataclass(frozen=True)
class _Slack:
    """How far lines are from ReLUs `index` on every B_u, at the least: (neurons, groups) each."""

    index: Tensor
    over: Tensor
    under: Tensor


def _slack_of(
    index: Tensor, lower: Tensor, upper: Tensor, slope: Tensor, offset: Tensor, flat: Tensor
) -> _Slack:
    """The slack of lines over [lower, upper], rounded down.

    Args:
        index: numbers of the neurons.
        lower, upper: their ends for every group, (neurons, groups).
        slope, offset: of the lines above, (neurons,).
        flat: slopes of the lines below, through zero, (neurons,).
    """
    slope, offset, flat = slope[:, None], offset[:, None], flat[:, None]
    # relu(z) - slope z is convex: largest at an end. relu(z) - flat z is smallest at an end or,
    # where the interval holds zero, zero.
    ends = [end.clamp(min=0) - slope * end for end in (lower, upper)]
    over = offset - torch.maximum(*ends)
    under = torch.maximum((1 - flat) * lower, -flat * upper)
    sizes = lower.abs() + upper.abs() + offset.abs()
    error = 8 * UNIT[lower.dtype] * sizes + torch.finfo(lower.dtype).tiny
    return _Slack(index, (over - error).clamp(min=0), (under - error).clamp(min=0))


def _joined(parts: list[tuple[Tensor, Tensor, Tensor]]) -> list[Tensor]:
    """The chunks of one layer as one."""
    return [torch.cat(column, -1) for column in zip(*parts, strict=True)]


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
        middle = engine.tensor(box.center)
        self.lower, self.upper = engine.tensor(box.lower), engine.tensor(box.upper)
        self.center = middle.to(engine.dtype).flatten()
        self.whole = self._offsets(middle, self.lower, self.upper)
        self.on_face = face is not None
        if face is not None:
            self.lower, self.upper = engine.tensor(face[0]), engine.tensor(face[1])
        self.low, self.high = self._offsets(middle, self.lower, self.upper)
        self.still = (middle, middle)
        if held is not None:
            self.still = engine.tensor(held[0]), engine.tensor(held[1])
        self.held_low, self.held_high = self._offsets(middle, *self.still)
        hull = engine.tensor(box.lower)[None], engine.tensor(box.upper)[None]
        self.hull = hull
        self.values = enclose(engine.exact, *hull, engine.widen)
        self.steps = {step.name: step for step in self.plan.steps}
        self.bounded: dict[str, tuple[Tensor, Tensor]] = {}
        self.tight: dict[str, _Tight] = {}
        self.slopes: dict[str, Tensor] | None = None
        self._parts: dict[str, list[tuple[Tensor, Tensor, Tensor]]] = {}
        self._slacks: dict[str, _Slack | None] = {}
        self._gains: list[Tensor | None] = [None, None]
        self.members = _Memberships(groups, engine.dtype, engine.device)
        self.rounding = Rounding(
            engine.exact,
            Interval(*hull),
            UNIT[engine.dtype],
            self._look,
        )
        if not self.members.by_index:
            high, low = self.high - self.held_high, self.low - self.held_low
            self.middles = ((high + low) / 2)[:, None] * self.members.table
            self.radii = ((high - low) / 2)[:, None] * self.members.table
        self.share = self._frozen_share()
        matrix, offsets = target.matrix(engine.network.outputs)
        self.matrix = engine.tensor(matrix).to(engine.dtype)
        self.offsets = engine.tensor(offsets)
        self.reducing = 0.0

    def _offsets(self, middle: Tensor, lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
        """Ends from the center, (inputs,) each, rounded outward."""
        low, high = self.engine.outward(lower - middle, upper - middle)
        # The differences were rounded in float64: one step further out, but never across zero.
        return _widened(low, -torch.inf).flatten(), _widened(high, torch.inf).flatten()

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

    def run(self, iterations: int) -> None:
        """Everything that comes from the whole box: coefficients, and what they give the groups.

        Coefficients are never all in memory: a layer's are reduced to sums over the groups as
        soon as its backward pass is over, and a large layer's pass is made in parts.
        """
        low, high = self.engine.outward(*self.hull)
        reference = {
            name: self.engine.outward(known.lower, known.upper)
            for name, known in self.values.items()
        }
        _, _, _, used = self.engine.graph.bounds(
            "crown-ibp" if self.intermediate == "ibp" else "crown",
            low,
            high,
            self.matrix[None],
            reference,
            {},
            self.engine.rows_at_once(self.values, len(self.matrix)),
            self.engine.widen,
            self,
        )
        self.bounded = {name: used[name] for name in self.plan.relaxed_inputs()}
        for name, parts in self._parts.items():
            index, lower, upper = _joined(parts)
            low, high = (side.flatten()[index] for side in self.bounded[name])
            self.tight[name] = _Tight(index, torch.maximum(lower, low), torch.minimum(upper, high))
            self._check_rest_is_stable(name, index)
        self._parts.clear()
        self._slacks.clear()
        if iterations:
            self.begin()  # what was gained belongs to other slopes
            self.slopes = self._optimised(iterations)
            found = self._above(self.plan.output, self._rows(), self.bounded, self.slopes)
            whole = found.constant + found.slopes @ self.center + self._moves(found.slopes).sum(1)
            self._last(whole, found.slopes)

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

    def begin(self) -> None:
        """A backward pass begins."""
        self._gains = [None, None]

    def relu(
        self,
        name: str,
        line: tuple[Tensor, Tensor, Tensor],
        coefficients: Callable[[], tuple[Tensor | None, Tensor | None]],
    ) -> None:
        """What the line is off its ReLU on every B_u, times the coefficients of a pass."""
        begin = time.perf_counter()
        slack = self._slack(name, line)
        if slack is not None:
            for side, rows in enumerate(coefficients()):
                if rows is None:
                    continue
                rows = rows[:, slack.index]
                plus, minus = (slack.over, slack.under) if side else (slack.under, slack.over)
                gain = rows.clamp(min=0) @ plus + (-rows).clamp(min=0) @ minus
                gain *= 1 - 4 * (len(slack.index) + 4) * UNIT[self.engine.dtype]
                past = self._gains[side]
                self._gains[side] = gain if past is None else past + gain
        self.reducing += time.perf_counter() - begin

    def rows(self, name: str, index: Tensor | None, sides: list[Side]) -> None:
        """Bounds over every group from one pass's coefficients."""
        begin = time.perf_counter()
        below_side, over_side = sides
        if name == self.plan.output and over_side is not None:
            self._last(*over_side)
        elif below_side is not None and over_side is not None:
            (low, below), (high, over) = below_side, over_side
            lower = self._gained(self.over_groups(self._on_face(low, below, -1), below, -1), -1)
            upper = self._gained(self.over_groups(self._on_face(high, over, +1), over, +1), +1)
            chosen = torch.arange(len(low), device=low.device) if index is None else index
            self._parts.setdefault(name, []).append((chosen, lower.T, upper.T))
        self.reducing += time.perf_counter() - begin

    def _slack(self, name: str, line: tuple[Tensor, Tensor, Tensor]) -> _Slack | None:
        """How far the line of a ReLU is from it on every B_u, at the least."""
        if name not in self._slacks:
            found = None
            if name in self._parts:
                index, lower, upper = _joined(self._parts[name])
                found = _slack_of(index, lower.T, upper.T, *(part[index] for part in line))
            self._slacks[name] = found
        return self._slacks[name]

    def _gained(self, bounds: Tensor, side: int) -> Tensor:
        """Bounds (rows, groups) without what the lines of the pass were off."""
        gain = self._gains[side > 0]
        if gain is None:
            return bounds
        # The product was rounded (see `relu`), and this difference is.
        dtype = self.engine.dtype
        error = 4 * UNIT[dtype] * bounds.abs() + torch.finfo(dtype).tiny
        gain = (gain - error).clamp(min=0)
        return bounds - side * gain

    def over_groups(self, whole: Tensor, slopes: Tensor, side: int) -> Tensor:
        """Bounds over every B_u, from those over B and their coefficients: (rows, groups).

        Args:
            whole: bounds over B, (rows,).
            slopes: coefficients of the input, (rows, inputs).
            side: +1 for upper bounds, -1 for lower ones.
        """
        sizes = slopes.abs()
        # Forming contributions and their sums, each at most |slopes| times the offsets, and what
        # stays of them where a frozen group may still move.
        margin = sizes @ (6 * self._size_of_input())
        if self.members.by_index:
            signed = slopes if side > 0 else -slopes
            moved = self.members.sums(self._moves(signed) - self._held_moves(signed))
        else:  # max(s high, s low) = s middle + |s| radius, and both sums are products
            moved = side * (slopes @ self.middles) + sizes @ self.radii
        return whole[:, None] - side * (moved - margin[:, None])

    def _on_face(self, whole: Tensor, slopes: Tensor, side: int) -> Tensor:
        """Bounds over the face from those over the box: other moves of the same coefficients.

        Args:
            whole: bounds over the box, (rows,).
            slopes: coefficients of the input, (rows, inputs).
            side: +1 for upper bounds, -1 for lower ones.
        """
        if not self.on_face:
            return whole
        signed = slopes if side > 0 else -slopes
        low, high = self.whole
        less = (signed * torch.where(signed > 0, high, low) - self._moves(signed)).sum(1)
        margin = slopes.abs() @ (8 * self._size_of_input())
        return whole - side * (less - margin)

    def _moves(self, slopes: Tensor) -> Tensor:
        """How much each input adds to a row's maximum, beyond its value at the center."""
        return slopes * torch.where(slopes > 0, self.high, self.low)

    def _held_moves(self, slopes: Tensor) -> Tensor:
        """The same of inputs that are frozen."""
        return slopes * torch.where(slopes > 0, self.held_high, self.held_low)

    def _size_of_input(self) -> Tensor:
        if not self.engine.widen:
            return torch.zeros_like(self.center)
        return self.rounding.size(self.plan.input, self.engine.dtype).flatten()

    def _last(self, whole: Tensor, slopes: Tensor) -> None:
        """The rows over B, and every group's bound from the same coefficients."""
        groups = self._gained(self.over_groups(whole, slopes, +1), +1)
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
                whole = found.constant + found.slopes @ self.center
                whole = whole + self._moves(found.slopes).sum(1)
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
        """Every group's rows again, with lines of its own, largest shared bound first."""
        count, evaluated = len(self.groups), 0
        order = self.rows_shared.argsort(0, descending=True)
        best = torch.full((count,), -torch.inf, dtype=torch.float64, device=order.device)
        # A group that freezes nothing that could move: `B_u` is `B`, and its bound the parent's.
        settled = self.share == 0
        best[settled] = self.rows_shared.amax(0)[settled]
        narrow = self.share > 0.5
        for place, rows in enumerate(order):
            bound = self.rows_shared.gather(0, rows[None])[0]
            todo = (bound > best).nonzero().flatten()
            if not len(todo):
                break
            done = count - len(todo)
            for part in self._batches(todo[narrow[todo]], todo[~narrow[todo]]):
                found = torch.minimum(self._in_parts(part, rows), bound[part])
                self.rows_own[rows[part], part] = found
                best[part] = torch.maximum(best[part], found)
                done += len(part)
                if progress is not None and place == 0:
                    progress("bound", done, count)
            evaluated += len(todo)
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

    def _batches(self, *kinds: Tensor) -> list[Tensor]:
        """Groups of one kind at a time, as many together as fit in memory."""
        sizes = sum(int(np.prod(shape)) for shape in self.plan.shapes.values())
        each = 8 * sizes * self.engine.dtype.itemsize
        size = max(1, min(_GROUPS, self.engine.memory() // each // 2))
        return [part for kind in kinds if len(kind) for part in kind.split(size)]

    def _in_parts(self, part: Tensor, rows: Tensor) -> Tensor:
        """`_refined`, in halves where memory runs out."""
        try:
            return self._refined(part, rows[part])
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            if len(part) == 1:
                raise OutOfMemoryError("not even one group fits in memory") from error
        half = len(part) // 2
        return torch.cat([self._in_parts(part[:half], rows), self._in_parts(part[half:], rows)])

    def _frozen_share(self) -> Tensor:
        """How much of what can move each group freezes: (groups,), between 0 and 1."""
        moving = ((self.low < 0) | (self.high > 0)).to(self.engine.dtype)
        return self.members.sums(moving[None])[0] / moving.sum().clamp(min=1)

    def _refined(self, part: Tensor, rows: Tensor) -> Tensor:
        """Upper bounds of one row for each of some groups: (groups,)."""
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
        moves = torch.where(held, self._held_moves(found.slopes), self._moves(found.slopes))
        upper = found.constant + found.slopes @ self.center + moves.sum(1)
        return upper.double() + self.offsets[rows], found.slopes

    def frozen(self, part: Tensor) -> Tensor:
        """Inputs that each of some groups freezes: (groups, inputs)."""
        held = np.stack([self._row_of(int(u)) for u in part.tolist()])
        return torch.as_tensor(held, device=part.device)

    def furthest(self, slopes: Tensor, held: Tensor) -> np.ndarray:
        """Where linear functions are largest over sub-boxes: (n, *input shape)."""
        ends = torch.where(slopes > 0, self.upper.flatten(), self.lower.flatten())
        points = torch.where(held, self.still[0].flatten(), ends)
        return points.reshape(-1, *self.lower.shape).cpu().numpy()

    def _row_of(self, group: int) -> np.ndarray:
        row = np.zeros(len(self.center), dtype=bool)
        row[self.groups.members[group]] = True
        return row

    def within(self, part: Tensor, held: Tensor) -> Bounded:
        """Bounds of every relaxed step's inputs over some B_u: (groups, *shape) each."""
        if self.intermediate == "ibp":
            return self._intervals_within(part, held)
        if bool((self.share[part] > 0.5).all()):
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
        values = self._intervals_within(part, held)
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

    def _intervals_within(self, part: Tensor, held: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        held = held.reshape(len(part), *self.lower.shape)
        values = enclose(
            self.engine.exact,
            torch.where(held, self.still[0], self.lower),
            torch.where(held, self.still[1], self.upper),
            self.engine.widen,
        )
        return {
            name: self.engine.outward(values[name].lower, values[name].upper)
            for name in self.bounded
        }

    def numbers(self, values: Tensor) -> np.ndarray:
        """Numbers as float64, one step up: the last addition was rounded."""
        return np.nextafter(values.double().cpu().numpy(), np.inf)


def _widened(values: Tensor, towards: float) -> Tensor:
    """One step towards an end, where the value is not zero (the center is in the box exactly)."""
    return torch.where(
        values == 0, values, torch.nextafter(values, torch.full_like(values, towards))
    )
