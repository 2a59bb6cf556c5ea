"""Parts of a box on which some neurons are in one phase, and where the others lie there.

One pass over the box gives every open neuron two lines in the input. That a neuron is active says
that its upper line is not negative, that it is idle says that its lower line is not positive: half-
spaces that hold the part. A line of any neuron plus `beta >= 0` times such a condition is nowhere
below that line on the part, so its largest value over the box bounds the neuron there. The best
`beta` of one condition is a weighted median; conditions are taken one after the other.

Source: the multipliers of beta-CROWN (Wang et al. 2021, arXiv:2103.06624), on the lines of a fixed
pass; the median is ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from verixplain.bounds import Engine
from verixplain.bounds._lirpa import Coefficients, undisturbed
from verixplain.bounds.enclosure import UNIT64, enclose, gamma
from verixplain.bounds.products import Ends
from verixplain.network.primitives import Univariate

_TINY = 2.0**-1000


@dataclass(frozen=True)
class Part:
    """A part of the box.

    Args:
        phases: numbers of neurons, and 1 where one is active, -1 where it is idle.
        low, high: where every open neuron of the box lies, (neurons,).
        multipliers: of the conditions, for every neuron's upper and then lower end, (2 neurons,
            conditions).
    """

    phases: tuple[tuple[int, int], ...]
    low: Tensor
    high: Tensor
    multipliers: Tensor


class Phases:
    """The neurons of a box that can be in either phase.

    Attributes:
        neurons: the value of the plan and the number in it (flattened), of each.
        whole: the box itself.

    Args:
        engine: the network in float64.
        lower, upper: the box, (1, *input shape).
        rows: of the output, (rows, outputs), bounded on the way.
    """

    def __init__(self, engine: Engine, lower: Tensor, upper: Tensor, rows: Tensor) -> None:
        plain = enclose(engine.exact, lower, upper)
        self.values: dict[str, Ends] = {n: (v.lower, v.upper) for n, v in plain.items()}
        lines = _Lines()
        with undisturbed(engine.dtype):
            *_, found = engine.graph.bounds(
                "crown", lower, upper, rows[None], self.values, {}, watcher=lines
            )
        for name, (low, high) in found.items():
            known = self.values[name]
            self.values[name] = torch.maximum(low, known[0]), torch.minimum(high, known[1])
        low, high = self.ends = lower.flatten(), upper.flatten()
        middle = (low + high) / 2
        ends = torch.stack([high - middle, middle - low])
        self.reach = torch.nextafter(ends.amax(0), torch.full_like(middle, torch.inf))
        least = torch.nextafter(ends.amin(0), torch.full_like(middle, -torch.inf)).clamp(min=0)
        self.neurons: list[tuple[str, int]] = []
        none = low.new_zeros(0)
        flat = none.reshape(0, len(middle))
        slopes, heights, lows, highs = [[flat, flat]], [[none, none]], [none], [none]
        for step in engine.exact.steps:
            name = step.inputs[0]
            if not (isinstance(step.kind, Univariate) and step.kind.native and name in lines.found):
                continue
            index, *sides = lines.joined(name)
            low, high = (end.flatten()[index] for end in self.values[name])
            open_ = (low <= 0) & (high >= 0)
            self.neurons += [(name, int(place)) for place in index[open_]]
            lows.append(low[open_])
            highs.append(high[open_])
            slopes.append([part[open_] for _, part in sides])
            heights.append([end[open_] for end, _ in sides])
        below, over = (torch.cat(part) for part in zip(*slopes, strict=True))
        floor, ceiling = (torch.cat(part) for part in zip(*heights, strict=True))
        # Upper lines of every neuron, and of its negative, as `lines . (x - middle) + at`.
        self.lines, ends = torch.cat([over, -below]), torch.cat([ceiling, -floor])
        moved = self.lines.abs() @ least
        self.at = ends - moved * (1 - self._slack(0)) + _TINY
        self.at = torch.nextafter(self.at, torch.full_like(self.at, torch.inf))
        multipliers = self.lines.new_zeros(len(self.lines), 0)
        self.whole = Part((), torch.cat(lows), torch.cat(highs), multipliers)

    def _slack(self, conditions: int) -> float:
        return 4 * gamma(self.lines.shape[1] + conditions + 16, UNIT64)

    def split(self, part: Part, neuron: int, phase: int) -> Part | None:
        """The part of a part on which one more neuron is in a phase; None where it is empty."""
        phases = (*part.phases, (neuron, phase))
        count = len(self.neurons)
        held = torch.tensor([n if p > 0 else n + count for n, p in phases])
        conditions, at = self.lines[held], self.at[held]
        beta = torch.cat([part.multipliers, part.multipliers.new_zeros(2 * count, 1)], 1)
        for place in reversed(range(len(phases))):
            row = conditions[place]
            beta[:, place] = 0.0
            lines = self.lines + beta @ conditions
            beta[:, place] = _median(lines, row, float(at[place]), self.reach)
        lines, ends = self.lines + beta @ conditions, self.at + beta @ at
        size = self.lines.abs() + beta @ conditions.abs()
        size = self.at.abs() + beta @ at.abs() + size @ self.reach
        ends = ends + lines.abs() @ self.reach + self._slack(len(phases)) * size + _TINY
        high = torch.minimum(part.high, ends[:count])
        low = torch.maximum(part.low, -ends[count:])
        if phase > 0:
            low[neuron] = low[neuron].clamp(min=0)
        else:
            high[neuron] = high[neuron].clamp(max=0)
        if bool((low > high).any()):
            return None
        return Part(phases, low, high, beta)

    def corners(self, pulls: Tensor) -> Tensor:
        """Corners of the box towards which neurons rise, by their lines: (n, inputs).

        Args:
            pulls: how much every neuron is to rise, or fall where negative: (n, neurons).
        """
        over, under = self.lines.split(len(self.neurons))
        directions = pulls.clamp(min=0) @ over + (-pulls).clamp(min=0) @ under
        return torch.where(directions > 0, self.ends[1], self.ends[0])

    def inside(self, parts: Sequence[Part]) -> dict[str, Ends]:
        """The intervals of all values on parts, (parts, *shape).

        A neuron that is held in a phase lies on its side of 0, 0 excluded: there, the derivative
        is that of the phase, and the other one belongs to the other part.
        """
        low, high = (torch.stack(ends) for ends in zip(*map(self._held, parts), strict=True))
        values = {}
        for name, ends in self.values.items():
            mine = [n for n, (value, _) in enumerate(self.neurons) if value == name]
            places = [self.neurons[number][1] for number in mine]
            made = []
            for end, own in zip(ends, (low, high), strict=True):
                whole = end.flatten(1).repeat(len(parts), 1)
                whole[:, places] = own[:, mine]
                made.append(whole.reshape(-1, *end.shape[1:]))
            values[name] = made[0], made[1]
        return values

    def _held(self, part: Part) -> Ends:
        """The ends of a part's neurons, those of neurons that are held beyond 0."""
        low, high = part.low.clone(), part.high.clone()
        for neuron, phase in part.phases:
            for end in (low, high):
                end[neuron] = end[neuron].clamp(*((_TINY, None) if phase > 0 else (None, -_TINY)))
        return low, high


def _median(lines: Tensor, row: Tensor, at: float, reach: Tensor) -> Tensor:
    """The `beta >= 0` of the least `|line + beta row| . reach + beta at`, for every line: (n,).

    It is convex and piecewise linear; its slope grows by `2 |row| reach` at `-line / row`.
    """
    weight = row.abs() * reach
    free = weight > 0
    if not bool(free.any()):  # a condition without inputs says nothing
        return lines.new_zeros(len(lines))
    places = -lines[:, free] / row[free]
    places, order = places.sort(1)
    slope = at - weight.sum() + 2 * weight[free][order].cumsum(1)
    first = (slope < 0).sum(1, keepdim=True).clamp(max=places.shape[1] - 1)
    return places.gather(1, first)[:, 0].clamp(min=0)


class _Lines:
    """Keeps what the passes over a box say of the values inside (see `Watcher`)."""

    def __init__(self) -> None:
        self.found: dict[str, list[tuple[Tensor, Ends, Ends]]] = {}

    def begin(self) -> None:
        """Nothing to do."""

    def relu(self, name: str, line: Any, coefficients: Coefficients) -> None:
        """Nothing to do."""

    def rows(
        self,
        name: str,
        index: Tensor,
        lower: Tensor | None,
        upper: Tensor,
        coefficients: Coefficients,
    ) -> None:
        """Lines of some numbers of a value; those of the output have one side and are left."""
        below, over = coefficients(torch.arange(len(upper), device=upper.device))
        if lower is not None and below is not None and over is not None:
            self.found.setdefault(name, []).append((index, (lower, below), (upper, over)))

    def joined(self, name: str) -> tuple[Tensor, Any, Any]:
        """Numbers, and lower and upper bounds with their slopes."""
        parts = [(index, *low, *high) for index, low, high in self.found[name]]
        index, *ends = (torch.cat(column) for column in zip(*parts, strict=True))
        return index, ends[:2], ends[2:]
