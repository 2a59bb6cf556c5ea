"""What every map shares: the gradient of the explained number over boxes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from verixplain.attribution._base import Attribution, Explained
from verixplain.bounds import Engine, method_named
from verixplain.bounds.enclosure import Interval, enclose, rows_of, through
from verixplain.bounds.jacobian import Ends, Gradients, gradients
from verixplain.certify.maps._arithmetic import Region, above_of, between, merged
from verixplain.errors import SoundnessAlarm, UnsupportedMethodError
from verixplain.network.primitives import Plan, Univariate
from verixplain.query import Query

_POINT = 2.0**-40
"""Up to this width there is nothing to relax, and intervals alone do."""

_BOXES = 8
"""Boxes bounded together: neighbours on a path have most of their open neurons in common."""

_SYMBOLS = 1024
"""Symbols kept at most; smaller ones become part of the remainder."""


class Slopes:
    """Where the gradient of the explained number lies over boxes.

    The number is the class's output, or its margin (see `Explained`): the least of a few rows,
    whose gradient is that of one of them (or a mean of tied ones).

    Args:
        query: network and target.
        method: the attribution method; its quantity says what is explained.
        bound: bound method for the values inside the network.
        device: where to compute.

    Raises:
        UnsupportedMethodError: it explains a probability.
    """

    def __init__(self, query: Query, method: Attribution, bound: str, device: str) -> None:
        if method.quantity == "probability":
            raise UnsupportedMethodError(
                "the gradient of a probability is not bounded; explain the class or the margin"
            )
        self.query, self.network, self.bound = query, query.network, method_named(bound)
        self.engine = Engine.of(query.network, "float64", device)
        exact = replace(method, dtype="float64", device=self.engine.device)
        self.explained = Explained(query, exact, None)
        self.loose: Mapping[str, float] = {}
        self.rows = -self.explained.rows
        self.offsets = -self.explained.offsets

    @property
    def phased(self) -> bool:
        """Whether boxes can be split by phases: there are some, one row, and fixed weights."""
        kinds = (step.kind for step in self.engine.exact.steps)
        relus = any(isinstance(kind, Univariate) and kind.native for kind in kinds)
        return relus and len(self.rows) == 1 and not self.loose

    def over(
        self, lower: Tensor, upper: Tensor, values: Mapping[str, Ends] | None = None
    ) -> Region:
        """The gradient over boxes.

        Args:
            lower, upper: (boxes, *input shape), float64.
            values: of parts of the boxes (see `Phases`); the target has one row.

        Returns:
            A region of the inputs, one row a box, for any choice of derivative at a kink.
        """
        if values is not None:
            return self.gradients(self.engine.exact, 0, values)
        pairs = zip(lower.split(_BOXES), upper.split(_BOXES), strict=True)
        return merged([self._over(low, high) for low, high in pairs])

    def _over(self, lower: Tensor, upper: Tensor) -> Region:
        values, possible = self.inside(lower, upper)
        plan = self.engine.exact
        if len(self.rows) == 1:
            return self.gradients(plan, 0, values)
        return self._any_of(plan, values, possible)

    def gradients(self, plan: Plan, number: int, values: Mapping[str, Ends]) -> Gradients:
        """The gradient of one row with respect to the plan's input, over every box.

        Args:
            plan: the network, or what comes after one of its values.
            number: of the row.
            values: as `inside` gives them.
        """
        boxes = len(values[self.engine.exact.output][0])
        row = self.rows[number].reshape(1, *plan.shapes[plan.output])
        widest = max(int(np.prod(shape)) for shape in plan.shapes.values())
        fits = self.engine.memory() // (4 * 6 * 8 * widest * boxes)
        kept = max(1, min(_SYMBOLS, fits))
        rows = row.expand(boxes, *row.shape[1:])
        chosen = {"symbols": kept, "loose": self.loose, "products": True}
        return gradients(plan, rows, values, kinks=True, **chosen)

    def _any_of(self, plan: Plan, values: Mapping[str, Ends], possible: Tensor) -> Region:
        """The hull over the rows that can be the least in each box: no symbols are shared."""
        low = high = None
        parts = {}
        for number in possible.any(0).nonzero().flatten().tolist():
            found = parts[number] = self.gradients(plan, number, values)
            if possible.sum(1).max() == 1 and possible[:, number].all():
                return found
            mine = possible[:, number, None]
            below, above = (
                torch.where(mine, end, sign * torch.inf)
                for end, sign in ((found.lower, 1), (found.upper, -1))
            )
            low = below if low is None else torch.minimum(low, below)
            high = above if high is None else torch.maximum(high, above)
        if low is None or high is None:
            raise SoundnessAlarm("no row of the target can be the largest, so a bound is wrong")

        def largest(weights: Tensor, box: int) -> Tensor:
            of = possible[box].nonzero().flatten().tolist()
            return torch.stack([above_of(parts[number], weights, box) for number in of]).amax(0)

        linear = all(part.above for part in parts.values())
        return replace(between(low, high), above=largest if linear else None)

    def inside(self, lower: Tensor, upper: Tensor) -> tuple[dict[str, Ends], Tensor]:
        """Rigorous intervals of the values in the network, and which rows can be the least.

        Returns:
            By name, (boxes, *shape) each; and (boxes, rows).
        """
        engine = self.engine
        plain = enclose(engine.exact, lower, upper)
        values = {name: (known.lower, known.upper) for name, known in plain.items()}
        low, high = self._rows_from(plain[engine.exact.output])
        if float((upper - lower).max()) > _POINT:
            found = self.bound.run(engine, lower, upper, self.rows)
            low, high = torch.maximum(low, found.lower), torch.minimum(high, found.upper)
            for name, (below, above) in found.values.items():
                one = Interval(*values[name]).cut(Interval(below.double(), above.double()))
                values[name] = one.lower, one.upper
        return values, self._possible(low, high)

    def _possible(self, low: Tensor, high: Tensor) -> Tensor:
        """Which rows can be the least, from their ends without offsets: (boxes, rows)."""
        if len(self.rows) == 1:
            return torch.ones_like(low, dtype=torch.bool)
        shift = self.offsets.abs().max() * 2.0**-50 + (low.abs() + high.abs()) * 2.0**-50
        low, high = low + self.offsets - shift, high + self.offsets + shift
        return low <= high.amin(1, keepdim=True)

    def value(self, name: str, values: Mapping[str, Ends]) -> Ends:
        """One value of the network, also from the tightest intervals of what it is made of."""
        step = next(one for one in self.engine.exact.steps if one.name == name)
        made = through(step, [Interval(*values[part]) for part in step.inputs])
        known = Interval(*values[name]).cut(made)
        return known.lower, known.upper

    def _rows_from(self, output: Interval) -> tuple[Tensor, Tensor]:
        found = rows_of(output, self.rows, torch.zeros_like(self.offsets))
        return found.lower, found.upper

    def tensor(self, values: np.ndarray) -> Tensor:
        """Numbers in float64 on the device."""
        return self.engine.tensor(values)


@dataclass(frozen=True)
class Shown:
    """A network of which a map can be computed, so that the map itself can be differentiated.

    Args:
        plan: its steps.
        number: the explained number of outputs (batch, outputs).
        run: every value of the plan at points.
    """

    plan: Plan
    number: Callable[[Tensor], Tensor]
    run: Callable[[Tensor], Mapping[str, Tensor]]

    def gradient(self, points: Tensor) -> Tensor:
        """The number's gradient at points, differentiable where the points are."""
        return self.slopes(points, self.plan.input)[1]

    def slopes(self, points: Tensor, name: str) -> tuple[Tensor, Tensor]:
        """A value at points and the number's gradient with respect to it."""
        track = points.requires_grad
        with torch.enable_grad():
            points = points if track else points.detach().requires_grad_()
            values = self.run(points)
            number = self.number(values[self.plan.output].flatten(1)).sum()
            value = values[name]
            (found,) = torch.autograd.grad(number, value, create_graph=track, allow_unused=True)
        found = torch.zeros_like(value) if found is None else found
        return (value, found) if track else (value.detach(), found.detach())


class BoundedMap:
    """A gradient map, and where it lies over a box.

    Args:
        slopes: of the explained number.
        method: whose map it is.
    """

    def __init__(self, slopes: Slopes, method: Any) -> None:
        self.slopes, self.method = slopes, method
        self.prepare()

    @property
    def phased(self) -> bool:
        """Whether it is the gradient at the input itself, but for factors of its numbers.

        Only then is the map, at an input where a neuron is at its kink, a mean of those with the
        neuron in each phase.
        """
        return False

    def prepare(self) -> None:
        """Whatever is the same for all boxes; refuse settings that have no bounds."""

    def over(
        self, lower: Tensor, upper: Tensor, values: Mapping[str, Ends] | None = None
    ) -> Region:
        """Where the score of every single input lies, for every input of each box.

        Args:
            lower, upper: ends of the boxes, (boxes, *input shape).
            values: of parts of the boxes, for a map that is `phased`.

        Returns:
            A region of one row a box.
        """
        pairs = zip(lower.split(1), upper.split(1), strict=True)
        return merged([self.one(low, high) for low, high in pairs])

    def one(self, lower: Tensor, upper: Tensor) -> Region:
        """The same for one box, where several have nothing to gain from each other."""
        raise NotImplementedError

    def at(self, shown: Shown, points: Tensor) -> Tensor:
        """The map at points, (batch, *input shape): what the method shows there."""
        raise NotImplementedError
