"""Which group provably counts more, from gradients over the whole box: the exchange rule.

Let a point of `B_u` be a worst one, its overlap attained by row r. Giving up what it does with
the inputs of v costs row r at most `loss(v)`; moving those of u, which it may not, gains at least
`gain(u)`; the result lies in `B_v`. So `gain(u) > loss(v)` for every row that can be the worst
one proves `AO(B_v) > AO(B_u)`: u counts more than v. Groups that overlap trade only what they do
not share.

Gains and losses come from intervals of the gradient, or of both at once from its zonotope, where
what moves them together cancels. Gains are rounded down and losses up.

Source: ours (design notes, section 5).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from verixplain.bounds import Engine
from verixplain.bounds.enclosure import UNIT64, Interval, enclose, gamma
from verixplain.bounds.jacobian import Ends, Gradients, in_parts
from verixplain.errors import SettingError, SoundnessAlarm
from verixplain.explanation import Overlaps
from verixplain.features import Groups
from verixplain.query import Box, Query

_TINY = 2.0**-1000
_MOST, _WORK = 10, 2 * 10**8
"""Symbols whose corners are looked at, and numbers made for it, at most."""


@dataclass(frozen=True)
class Reach:
    """How far inputs move from the center: offsets, (inputs,) each.

    Args:
        low, high: between these lies what a worst point does with each input.
        step_low, step_high: numbers in the box that a move may go to, at most and at least 0.
    """

    low: Tensor
    high: Tensor
    step_low: Tensor
    step_high: Tensor

    @classmethod
    def of(
        cls, box: Box, face: tuple[np.ndarray, np.ndarray] | None = None, device: str = "cpu"
    ) -> "Reach":
        """Of a box.

        Args:
            box: where moves stay.
            face: lower and upper ends of what a worst point does, by default those of the box.
            device: of the tensors.
        """
        low, high = box.lower - box.center, box.upper - box.center
        ends = (box.lower, box.upper) if face is None else face
        first, last = (end - box.center for end in ends)

        def tensor(offsets: np.ndarray, towards: float) -> Tensor:
            """Rounded one way, but for 0, which no rounding makes."""
            rounded = np.where(offsets == 0, 0.0, np.nextafter(offsets, towards))
            return torch.as_tensor(rounded.ravel(), dtype=torch.float64, device=device)

        return cls(
            tensor(first, -np.inf), tensor(last, np.inf), tensor(low, np.inf), tensor(high, -np.inf)
        )


def candidates(row_upper: np.ndarray, group_lower: np.ndarray) -> np.ndarray:
    """Rows that can attain the overlap of B_u: (rows, groups).

    Raises:
        SoundnessAlarm: none can, so a bound is wrong.
    """
    possible = row_upper >= group_lower[None]
    nobody = np.flatnonzero(~possible.any(axis=0))
    if nobody.size:
        u = nobody[0]
        raise SoundnessAlarm(
            f"group {u} has an overlap of at least {group_lower[u]!r}, but every row is bounded "
            f"by {row_upper[:, u].max()!r}"
        )
    return possible


class Exchange:
    """The exchange rule for the groups of one query.

    Args:
        groups: any, also overlapping ones.
        device: where the products are computed.
    """

    def __init__(self, groups: Groups, device: str = "cpu") -> None:
        self.groups, self.device = groups, device
        self.count, self.inputs = len(groups), int(np.prod(groups.shape))
        everyone = np.concatenate(groups.members)
        self.apart = len(np.unique(everyone)) == len(everyone)
        labels = np.full(self.inputs, self.count)
        if self.apart:
            for number, members in enumerate(groups.members):
                labels[members] = number
            self.labels = torch.as_tensor(labels, device=device)
        else:
            table = groups.memberships()
            self.table = torch.as_tensor(table, dtype=torch.float64, device=device)

    def row(self, found: Gradients, number: int, reach: Reach) -> Tensor:
        """Pairs (u, v) for which trading v for u raises this row: (groups, groups).

        Args:
            found: gradients over a box that holds every worst point and every move.
            number: of the row in `found`.
            reach: how far inputs move.
        """
        return self.common([found], number, reach)

    def common(self, parts: Sequence[Gradients], number: int, reach: Reach) -> Tensor:
        """Pairs for which one move of u raises the row on every part of a cover.

        Wherever the way of a trade goes, the row's slope along it is that of some part. So one
        and the same move has to do on all of them; which form of the rule shows it may differ.

        Args:
            parts: gradients over parts that together hold every worst point and every way.
            number, reach: as for `row`.
        """
        low = torch.stack([found.lower[number] for found in parts]).amin(0)
        high = torch.stack([found.upper[number] for found in parts]).amax(0)
        centre = torch.stack([found.centre[number] for found in parts]).mean(0)
        sure = torch.where(low >= 0, reach.step_high, torch.zeros_like(low))
        sure = torch.where(high <= 0, reach.step_low, sure)
        # Inputs of open sign may move too, as the centre's sign says: what symbols can turn that
        # into is counted.
        likely = torch.where(centre > 0, reach.step_high, reach.step_low)
        bold = torch.where((low < 0) & (high > 0), likely, sure)
        raised = torch.zeros(self.count, self.count, dtype=torch.bool, device=low.device)
        for step in (sure, bold):
            every = torch.ones_like(raised)
            for found in parts:
                every &= self._raised(found, number, reach, step)
                if not bool(every.any()):
                    break
            raised |= every
        return raised

    def _raised(self, found: Gradients, number: int, reach: Reach, step: Tensor) -> Tensor:
        """Pairs for which one move of u raises a row, by any form of the rule."""
        trade = _Trade.of(found, number, reach, step)
        if not self.apart:
            return torch.stack([self._one(trade, u) for u in range(self.count)])
        more = self._apart(trade)
        if found.symbols.shape[1] <= self._few():
            more = more | self._at_corners(found, number, reach, trade)
        return more

    def _few(self) -> int:
        """So many symbols that all their corners can be looked at."""
        return next(n for n in range(_MOST, -1, -1) if 2**n * self.count**2 <= _WORK or n == 0)

    def _at_corners(self, found: Gradients, number: int, reach: Reach, trade: "_Trade") -> Tensor:
        """For few symbols: the least of gain less loss, exactly.

        The gain of a fixed move is linear in the symbols and the loss convex (each input's is
        the larger of two linear ones), so their difference is least at a corner.
        """
        centre, symbols, rest = found.centre[number], found.symbols[number], found.rest[number]
        count = len(symbols)
        bits = torch.arange(2**count, device=centre.device)[:, None]
        signs = ((bits >> torch.arange(count, device=centre.device)) & 1).double() * 2 - 1
        far = torch.maximum(reach.low.abs(), reach.high.abs())
        size = centre.abs() + symbols.abs().sum(0)
        relative = 8 * gamma(len(centre) + count + 32, UNIT64)
        wrong = relative * size + rest * (1 + relative)
        rise, fall = self._sums(
            torch.stack([trade.step.abs() * wrong + _TINY, far * wrong + _TINY])
        ) * (1 + relative)
        least = centre.new_full((self.count, self.count), torch.inf)
        for part in signs.split(16):
            slopes = centre + part @ symbols
            gain = self._sums(trade.step * slopes)
            loss = self._sums(torch.maximum(reach.low * slopes, reach.high * slopes))
            for one, two in zip(gain, loss, strict=True):
                least = torch.minimum(least, one[:, None] - two[None])
        return least - rise[:, None] - fall[None] > 0

    def _apart(self, trade: "_Trade") -> Tensor:
        """For groups that share no input: sums over each group, once."""
        sums = self._sums(torch.cat([trade.plain(), trade.gained, trade.lost]))
        heads = len(trade.plain())
        symbols = len(trade.gained)
        gain, loss, rise, fall, rise_slack, fall_slack = sums[:heads]
        plain = gain[:, None] > loss[None]
        gained, lost = sums[heads : heads + symbols].T, sums[heads + symbols :].T
        shared = _distances(gained, lost) * (1 + 2 * gamma(symbols + 4, UNIT64))
        slack = rise_slack[:, None] + fall_slack[None]
        return plain | (rise[:, None] - fall[None] - shared - slack > 0)

    def _one(self, trade: "_Trade", u: int) -> Tensor:
        """Of group u against all: only what two groups do not share."""
        mine = self.table[u]
        over = mine[:, None] * (1 - self.table.T)  # u without v: (inputs, groups)
        under = self.table.T * (1 - mine[:, None])
        gain, _, rise, _, rise_slack, _ = trade.plain() @ over
        _, loss, _, fall, _, fall_slack = trade.plain() @ under
        shared = (trade.gained @ over - trade.lost @ under).abs().sum(0)
        shared = shared * (1 + 2 * gamma(len(trade.gained) + 4, UNIT64))
        return (gain > loss) | (rise - fall - shared - (rise_slack + fall_slack) > 0)

    def _sums(self, parts: Tensor) -> Tensor:
        found = parts.new_zeros(len(parts), self.count + 1)
        return found.index_add_(1, self.labels, parts)[:, : self.count]


def _distances(one: Tensor, two: Tensor) -> Tensor:
    """Sums of `|one - two|` over the last dimension, for all pairs of rows."""
    if not one.shape[1]:
        return one.new_zeros(len(one), len(two))
    return torch.cdist(one, two, p=1.0)


@dataclass(frozen=True)
class _Trade:
    """What each input can contribute, (inputs,) each, for one row.

    `gain` and `loss` bound it alone, rounding of any sum of them included. The others are its
    parts in the pairwise form: `rise` and `fall` without symbols, those of the symbols
    (symbols, inputs), and what else must be given up; `step` is the move of u.
    """

    gain: Tensor
    loss: Tensor
    rise: Tensor
    fall: Tensor
    rise_slack: Tensor
    fall_slack: Tensor
    gained: Tensor
    lost: Tensor
    step: Tensor

    @classmethod
    def of(cls, found: Gradients, number: int, reach: Reach, step: Tensor) -> "_Trade":
        """Of one row of `found`.

        Args:
            found: gradients over a box that holds every worst point and every move.
            number: of the row.
            reach: how far inputs move.
            step: where u moves its inputs: any offset that they have room for.
        """
        low, high = found.lower[number], found.upper[number]
        centre, symbols, rest = found.centre[number], found.symbols[number], found.rest[number]
        # A sum of `inputs` products, one more product and a difference, in any order.
        relative = 4 * gamma(len(low) + len(symbols) + 32, UNIT64)
        gain = torch.minimum(step * low, step * high)
        ends = (reach.low, reach.high)
        loss = torch.stack([end * slope for end in ends for slope in (low, high)]).amax(0)
        place, open_ = _places(found, number, reach)
        size = centre.abs() + symbols.abs().sum(0)
        rise_size, fall_size = step.abs() * size, place.abs() * size
        return cls(
            gain=gain - gain.abs() * relative - _TINY,
            loss=loss + loss.abs() * relative + _TINY,
            rise=step * centre,
            fall=place * centre + open_,
            rise_slack=step.abs() * rest * (1 + relative) + relative * rise_size + _TINY,
            fall_slack=place.abs() * rest * (1 + relative)
            + relative * (fall_size + open_.abs())
            + _TINY,
            gained=step * symbols,
            lost=place * symbols,
            step=step,
        )

    def plain(self) -> Tensor:
        """All but the symbols: (6, inputs)."""
        return torch.stack(
            [self.gain, self.loss, self.rise, self.fall, self.rise_slack, self.fall_slack]
        )


def _places(found: Gradients, number: int, reach: Reach) -> tuple[Tensor, Tensor]:
    """Where a worst point has each input, and what that may be wrong by.

    For any `s`, what input i contributes at an offset `d` of its range, `d J`, is `s J` plus
    `(d - s) J`, and that is at most the largest product of the ends. Where the gradient has a
    sure sign and `s` is the end it points to, it is 0; of both ends and 0, that of the smallest
    largest contribution is taken.

    Returns:
        The offsets s, and the excess of the contribution over `s J`, at most.
    """
    low, high = found.lower[number], found.upper[number]
    best = wrong = torch.zeros_like(low)
    cost = torch.full_like(low, torch.inf)
    for place in (reach.high, reach.low, torch.zeros_like(low)):
        ends = [end - place for end in (reach.low, reach.high)]
        over = torch.stack([end * slope for end in ends for slope in (low, high)]).amax(0)
        over = torch.where(over > 0, over * (1 + 8 * UNIT64) + _TINY, over.clamp(min=0))
        total = place * found.centre[number] + over
        better = total < cost
        best = torch.where(better, place, best)
        wrong = torch.where(better, over, wrong)
        cost = torch.where(better, total, cost)
    return best, wrong


class Raised:
    """What the exchange rule says of every row that can be the worst of some group.

    Rows not looked at yet decide nothing for the groups that they can be the worst of.

    Args:
        row_upper: upper bounds of every row over every B_u, (rows, groups).
        group_lower: lower bounds of the overlap of every B_u, (groups,).
    """

    def __init__(self, row_upper: np.ndarray, group_lower: np.ndarray) -> None:
        self.row_upper, self.group_lower = row_upper.copy(), group_lower
        self.rows: dict[int, np.ndarray] = {}
        candidates(self.row_upper, self.group_lower)

    def asked(self) -> list[int]:
        """Rows that matter, the largest first."""
        rows = np.flatnonzero(candidates(self.row_upper, self.group_lower).any(axis=1))
        return sorted(rows.tolist(), key=lambda row: -self.row_upper[row].max())

    def add(self, row: int, raised: np.ndarray) -> None:
        """Pairs whose trade raises a row: (groups, groups)."""
        self.rows[row] = self.rows[row] | raised if row in self.rows else raised

    def lower(self, row: int, bounds: np.ndarray) -> None:
        """Better upper bounds of a row over every B_u."""
        self.row_upper[row] = np.minimum(self.row_upper[row], bounds)

    def above(self) -> np.ndarray:
        """Pairs decided: every possible row of u is raised."""
        possible = candidates(self.row_upper, self.group_lower)
        count = len(self.group_lower)
        above = np.ones((count, count), dtype=bool)
        for row, groups in enumerate(possible):
            if row in self.rows:
                above &= self.rows[row] | ~groups[:, None]
            else:
                above[groups] = False
        return above


@torch.no_grad()
def exchange(
    query: Query,
    overlaps: Overlaps,
    *,
    device: str = "auto",
    stop: Callable[[], bool] = lambda: False,
) -> Raised:
    """The exchange rule over the whole box, for every row and pair.

    Args:
        query: what was asked.
        overlaps: its enclosures, with the rows' bounds.
        device: where to compute.
        stop: asked between rows.

    Raises:
        UnsupportedBoundError: the network has a step whose gradient nobody bounds.
        SoundnessAlarm: no row can attain the overlap of a group.
    """
    if overlaps.row_upper is None:
        raise SettingError("the exchange rule needs the bounds of every row")
    raised = Raised(overlaps.row_upper, overlaps.group_lower)
    engine = Engine.of(query.network, "float64", device)
    values = intervals(engine, query, overlaps)
    rule, reach = Exchange(query.groups, engine.device), Reach.of(query.box, None, engine.device)
    matrix, _ = query.target.matrix(query.network.outputs)
    asked = raised.asked()
    rows = engine.tensor(matrix[asked])
    rows = rows.reshape(-1, *engine.exact.shapes[engine.exact.output])
    for start, found in in_parts(engine.exact, rows, values, engine.memory() // 4):
        for number in range(len(found.lower)):
            raised.add(asked[start + number], rule.row(found, number, reach).cpu().numpy())
            if stop():
                return raised
    return raised


def intervals(engine: Engine, query: Query, overlaps: Overlaps) -> dict[str, Ends]:
    """Rigorous intervals over B of every relaxed step's input: those kept, cut with plain ones."""
    low, high = engine.tensor(query.box.lower)[None], engine.tensor(query.box.upper)[None]
    plain = enclose(engine.exact, low, high)
    found = {}
    for name in engine.exact.relaxed_inputs():
        known = plain[name]
        if name in overlaps.intervals:
            kept = [engine.tensor(end) for end in overlaps.intervals[name]]
            known = known.cut(Interval(*kept))
        found[name] = (known.lower, known.upper)
    return found
