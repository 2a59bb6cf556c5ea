"""The search for a counterexample, and the one judge of whether a point is one."""

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from verixplain.attack.pgd import representable
from verixplain.errors import VerixplainError
from verixplain.vnnlib.bounding import bounds_of
from verixplain.vnnlib.deadline import Deadline
from verixplain.vnnlib.exact import exactly
from verixplain.vnnlib.rows import Rows, down, up
from verixplain.vnnlib.specification import Region

if TYPE_CHECKING:
    from verixplain.network import Network


@dataclass(frozen=True, eq=False)
class Witness:
    """A counterexample that ONNX Runtime has confirmed.

    Args:
        exact: the input, as exact numbers inside the region's box.
        point: it in the model's input type, as it was run.
        outputs: what ONNX Runtime gave.
    """

    exact: tuple[Fraction, ...]
    point: np.ndarray
    outputs: np.ndarray


class Judge:
    """Decides whether a point is a counterexample of a region.

    ONNX Runtime must say so, on its outputs taken as exact numbers. For a query about real
    arithmetic the same must hold of the real outputs, which are enclosed rigorously.

    Args:
        network: the network.
        region: the region.
        rows: its constraints.
        real: whether the query is about real arithmetic.
    """

    def __init__(self, network: "Network", region: Region, rows: Rows, real: bool) -> None:
        self.network, self.region, self.rows, self.real = network, region, rows, real

    def judge(self, point: np.ndarray) -> Witness | None:
        """The witness at `point` (the model's type and shape), or None."""
        exact = self._inside(point)
        if exact is None:
            return None
        outputs = self.network.run_onnx(point[None])[0]
        if not np.isfinite(outputs).all():
            return None
        y = [Fraction(float(value)) for value in outputs]
        x = list(exact)
        unsafe = [
            number
            for number, conjunction in enumerate(self.region.unsafe)
            if all(constraint.holds(x, y) for constraint in conjunction)
        ]
        if not unsafe or (self.real and not self._really(exact, unsafe)):
            return None
        return Witness(exact, point, outputs)

    def _inside(self, point: np.ndarray) -> tuple[Fraction, ...] | None:
        """The exact input that `point` stands for.

        In real arithmetic it is the nearest one of the box, and ONNX Runtime gets it rounded;
        of an element type it is the point itself, which must lie in the box.
        """
        values = [Fraction(float(value)) for value in point.ravel()]
        ends = zip(values, self.region.lower, self.region.upper, strict=True)
        nearest = tuple(min(max(value, low), high) for value, low, high in ends)
        if self.real:
            rounded = np.array([float(value) for value in nearest]).astype(point.dtype)
            return nearest if np.array_equal(rounded, point.ravel()) else None
        return nearest if list(nearest) == values else None

    def _really(self, exact: tuple[Fraction, ...], unsafe: list[int]) -> bool:
        """Whether one of the conjunctions `unsafe` holds rigorously over the reals."""
        rows = self.rows
        low = np.array([[down(value) for value in exact]])
        high = np.array([[up(value) for value in exact]])
        try:
            held = rows.included(*bounds_of(self.network, rows, low, high, "interval"))
        except VerixplainError:
            held = np.zeros((1, len(rows)), dtype=bool)
        if rows.all_of(held)[0, unsafe].any():
            return True
        outputs = exactly(self.network, exact)
        return outputs is not None and any(
            all(constraint.holds(list(exact), outputs) for constraint in self.region.unsafe[number])
            for number in unsafe
        )


class Search:
    """Gradient steps towards one region's unsafe outputs, for every conjunction on its own."""

    def __init__(self, judge: Judge, seed: int = 0) -> None:
        self.judge = judge
        self.network, rows = judge.network, judge.rows
        self.dtype = self.network.input_dtype
        shape = self.network.input_shape
        ends = rows.lower.reshape(shape), rows.upper.reshape(shape)
        if judge.real:
            low, high = (end.astype(self.dtype) for end in ends)
        else:
            low, high = representable(*ends, self.dtype)
        self.possible = bool((low <= high).all())
        self.low, self.high = torch.from_numpy(np.array(low)), torch.from_numpy(np.array(high))
        self.generator = torch.Generator().manual_seed(seed)
        self.coefficients = torch.tensor(rows.coefficients, dtype=self.low.dtype)
        self.threshold = torch.tensor(rows.above, dtype=self.low.dtype)
        self.on_inputs = None
        if rows.on_inputs is not None:
            self.on_inputs = torch.tensor(rows.on_inputs, dtype=self.low.dtype)
        self.equal = torch.tensor(rows.equal)

    def slack(self, points: Tensor) -> Tensor:
        """By how much every constraint holds at every point: (points, rows)."""
        value = self.network.forward(points) @ self.coefficients.T - self.threshold
        if self.on_inputs is not None:
            value = value + points.flatten(1) @ self.on_inputs.T
        return torch.where(self.equal, -value.abs(), value)

    def worst(self, slack: Tensor, conjunctions: list[int]) -> Tensor:
        """The least slack of every point's own conjunction."""
        members = self.judge.rows.conjunctions
        return torch.stack(
            [
                row[members[number]].amin() if members[number] else row.sum() * 0 + 1
                for row, number in zip(slack, conjunctions, strict=True)
            ]
        )

    def run(
        self,
        conjunctions: list[int],
        steps: int,
        restarts: int,
        deadline: Deadline,
        batch: int = 64,
    ) -> Witness | None:
        """Climb from several starts for every conjunction.

        Args:
            conjunctions: numbers of those that are still open.
            steps, restarts: gradient steps a start, and starts a conjunction.
            deadline: when to stop.
            batch: points that are moved together.
        """
        if not self.possible:
            return None
        wanted = [number for _ in range(restarts) for number in conjunctions]
        for begin in range(0, len(wanted), batch):
            part = wanted[begin : begin + batch]
            share = torch.rand((len(part), *self.low.shape), generator=self.generator)
            if begin == 0:
                share[: len(conjunctions)] = 0.5
            start = self.low + share.to(self.low) * (self.high - self.low)
            found = self._climb(start, part, steps, deadline)
            if found is not None or deadline.passed:
                return found
        return None

    def _climb(
        self, points: Tensor, part: list[int], steps: int, deadline: Deadline
    ) -> Witness | None:
        best = torch.full((len(part),), -torch.inf, dtype=self.low.dtype)
        kept = points.clone()
        for step in range(steps + 1):
            with torch.enable_grad():
                points = points.detach().requires_grad_()
                value = self.worst(self.slack(points), part)
                (slope,) = torch.autograd.grad(value.sum(), points, allow_unused=True)
            better = value.detach() > best
            best[better], kept[better] = value.detach()[better], points.detach()[better]
            if (best >= 0).any():
                found = self._judged(kept, best)
                if found is not None:
                    return found
            if deadline.passed or slope is None:
                return None
            size = (self.high - self.low) * (0.5 * (1 - step / (steps + 1)))
            moved = points.detach() + slope.sign() * size
            points = torch.minimum(torch.maximum(moved, self.low), self.high)
        return self._judged(kept, best + self._hope(best))

    def _hope(self, best: Tensor) -> Tensor:
        """What rounding may hide: the last points are judged where they all but hold."""
        return 1e-6 * (1 + best.abs().nan_to_num(posinf=0.0, neginf=0.0))

    def _judged(self, points: Tensor, value: Tensor) -> Witness | None:
        for number in value.argsort(descending=True)[:4].tolist():
            if value[number] >= 0:
                found = self.judge.judge(points[number].numpy())
                if found is not None:
                    return found
        return None

    def at(self, points: np.ndarray) -> Witness | None:
        """The first of these points (any values of the box) that is a counterexample."""
        if not self.possible:
            return None
        given = torch.tensor(points, dtype=self.low.dtype)
        given = torch.minimum(torch.maximum(given, self.low), self.high)
        with torch.no_grad():
            slack = self.slack(given)
        members = self.judge.rows.conjunctions
        best = torch.stack(
            [slack[:, rows].amin(1) if rows else torch.ones(len(slack)) for rows in members]
        ).amax(0)
        return self._judged(given, best)
