"""Proofs and attacks about one map: box after box, and radius after radius."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from verixplain.attack.map import MapAttack, rounded
from verixplain.attack.pgd import representable
from verixplain.attribution._base import Attribution
from verixplain.bounds.phases import Part, Phases
from verixplain.bounds.products import Ends as Sides
from verixplain.certify.claim import Task, replayed
from verixplain.certify.maps import maps
from verixplain.certify.maps._arithmetic import Region, cut, grouped, rows
from verixplain.certify.maps._base import Shown, Slopes
from verixplain.certify.maps._goals import Goal
from verixplain.certify.maps._parts import Ends, Proof, Splitting
from verixplain.certify.maps._weights import LooseSlopes
from verixplain.errors import BoundFailedError, OutOfMemoryError, SettingError, SoundnessAlarm

_MOST = 128
"""Boxes that a box is split into at most where there is no budget."""

_CLOSE = 1.05
"""The search for a radius ends where two radii are so near, as a ratio."""

_STEPS = 16
"""Points on the way to an input that are looked at together."""

Loss = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Broken:
    """An input of the box where the goal certainly fails, though the decision is the same.

    Args:
        point: the input.
        region: where the scores there lie.
        radius: how far the point is from the center, at most: the largest move of an input.
        overlap: of the point in ONNX Runtime.
    """

    point: np.ndarray
    region: Region
    radius: float
    overlap: float


class MapSearch:
    """What can be proved of a method's map near one input, and what refutes it.

    Args:
        task: query, bounds, budget.
        method: whose map it is.
        k: how many of the largest scores `Change.kept` is about.

    Raises:
        SettingError: nobody bounds this method's map, or there are fewer than k features.
    """

    def __init__(self, task: Task, method: Attribution, k: int) -> None:
        if method.name not in set(maps):
            raise SettingError(
                f"no bounds for the map of {method.name}; there are: {', '.join(maps)}"
            )
        if not 1 <= k <= len(task.query.groups):
            raise SettingError(f"the {k} largest of {len(task.query.groups)} features are asked")
        self.task, self.query = task, task.query
        slopes = Slopes(task.query, method, task.method.bound, task.method.device)
        self.map = maps[method.name](slopes, method)
        self.engine, self.center = slopes.engine, task.query.box.center
        self.start = self.at(self.center)
        self.members = self.start.centre[0].abs().argsort(descending=True, stable=True)[:k]
        self.table = self.engine.tensor(task.query.groups.memberships())
        plan = self.engine.exact
        self.shown = Shown(plan, slopes.explained.number, plan.run)
        self.reference = self.scores(self.shown, slopes.explained.x[None])

    def loosened(self, share: float) -> None:
        """From here on, regions hold for every weight within this share of itself too."""
        method, chosen = self.map.method, self.task.method
        slopes = LooseSlopes(self.query, method, chosen.bound, chosen.device, share)
        self.map = maps[method.name](slopes, method)

    def region(self, *boxes: Ends) -> list[Region]:
        """Where the features' scores lie over each of some boxes."""
        low, high = (self.engine.tensor(np.stack(ends)) for ends in zip(*boxes, strict=True))
        return self._regions(low, high)

    def parts(self, box: Ends, tree: Phases, parts: Sequence[Part]) -> list[Region]:
        """The same over each of some parts of a box."""
        low, high = (self.engine.tensor(end).expand(len(parts), *end.shape) for end in box)
        return self._regions(low, high, tree.inside(parts))

    def _regions(
        self, low: Tensor, high: Tensor, values: Mapping[str, Sides] | None = None
    ) -> list[Region]:
        for _ in low:
            self.task.budget.step()
        with torch.no_grad():
            return rows(cut(grouped(cut(self.map.over(low, high, values)), self.query.groups)))

    def at(self, point: np.ndarray) -> Region:
        """Where they lie at one input: but for rounding and kinks, a point."""
        return self.region((point, point))[0]

    def scores(self, shown: Shown, points: Tensor) -> Tensor:
        """The features' scores at points: (batch, features)."""
        return self.map.at(shown, points).flatten(1) @ self.table.T

    def within(self, radius: float) -> Ends:
        """The part of the box that is so near, at least."""
        box = self.query.box
        lower = np.maximum(box.lower, np.nextafter(self.center - radius, -np.inf))
        upper = np.minimum(box.upper, np.nextafter(self.center + radius, np.inf))
        return lower, upper

    def proofs(
        self, lower: np.ndarray, upper: np.ndarray, goal: Goal | None, narrow: bool = False
    ) -> Iterator[Proof]:
        """What is proved over a box, split further each time, until the goal holds.

        Args:
            lower, upper: the box.
            goal: what is to hold; None where only bounds are wanted.
            narrow: whether every score's interval is of interest, and so bounded by lines too.
        """
        parts = Splitting(self, (lower, upper), goal)
        yield parts.proof()
        if narrow and not self.task.budget.over():
            parts.narrow()
            yield parts.proof()
        limited = bool(self.task.budget.words)
        while not parts.settled() and (limited or len(parts.leaves) < _MOST):
            if self.task.budget.over() or not parts.grow():
                return
            yield parts.proof()

    def attack(self, lower: np.ndarray, upper: np.ndarray, goal: Goal) -> Broken | None:
        """Look for an input of the box at which the goal fails, then for a nearer one like it."""
        tried = self._pushed((lower, upper), goal)
        point = self._attacked(lower, upper, goal.loss, 0.0, tried)
        for nearer in (self._nearer(point, (lower, upper), goal), point):
            found = self.at(nearer)
            overlap = replayed(self.query, nearer)
            same = (overlap < 0) == (replayed(self.query, self.center) < 0)
            if same and goal.broken(found):
                radius = float(np.nextafter(np.abs(nearer - self.center).max(), np.inf))
                return Broken(nearer, found, radius, overlap)
        return None

    def _pushed(self, box: Ends, goal: Goal) -> Tensor | None:
        """Corners that push single neurons over their kinks, and all that count for what is open.

        The map of a piecewise linear network changes where a neuron changes its phase, only.
        """
        if not self.map.phased:
            return None
        low, high = (self.engine.tensor(end)[None] for end in box)
        tree = Phases(self.engine, low, high, self.map.slopes.rows)
        (region,) = self.region(box)
        known = {neuron: number for number, neuron in enumerate(tree.neurons)}
        symbols = [region.neuron(self.engine.exact, k) for k in range(len(region.symbols[0]))]
        mine = [(k, known[one]) for k, one in enumerate(symbols) if one in known]
        single = torch.eye(len(tree.neurons), dtype=low.dtype, device=low.device)
        pulls = [single, -single]
        if mine:
            sums = goal.open(region)
            places, numbers = (list(column) for column in zip(*mine, strict=True))
            together = single.new_zeros(len(sums), len(single))
            together[:, numbers] = sums @ region.symbols[0, places].T
            pulls.append(together)
        return tree.corners(torch.cat(pulls)).reshape(-1, *low.shape[1:])

    def _nearer(self, point: np.ndarray, box: Ends, goal: Goal) -> np.ndarray:
        """The nearest point of the box found on the way to an input where the goal fails."""
        judge, dtype = self._judge(goal.loss), self.query.network.input_dtype
        ends, way = representable(*box, dtype), point - self.center
        first, last = 0.0, 1.0
        for _ in range(2):
            step = (last - first) / _STEPS
            shares = first + step * np.arange(1, _STEPS + 1)
            points = self.center + shares.reshape(-1, *[1] * way.ndim) * way
            points = np.clip(points.astype(dtype), *ends).astype(np.float64)
            failing = np.flatnonzero((judge(self.engine.tensor(points)) > 0).cpu().numpy())
            if not len(failing):
                return point
            point, last = points[failing[0]], float(shares[failing[0]])
            first = last - step
        return point

    def farthest(self, lower: np.ndarray, upper: np.ndarray) -> float:
        """A change (L-infinity) of the map that some input of the box certainly makes."""

        def moved(scores: Tensor) -> Tensor:
            return (scores - self.reference).abs().amax(1)

        point = self._attacked(lower, upper, moved, np.inf, None)
        found = self.at(point)
        gaps = torch.maximum(found.lower - self.start.upper, self.start.lower - found.upper)
        return max(0.0, float(torch.nextafter(gaps.max(), gaps.new_tensor(-torch.inf))))

    def _attacked(
        self, lower: np.ndarray, upper: np.ndarray, loss: Loss, enough: float, tried: Tensor | None
    ) -> np.ndarray:
        """The best point of an attack that only counts points of the same decision."""
        method, x = self.task.method, self.map.slopes.explained.x[None]
        smooth = Shown(self.shown.plan, self.shown.number, rounded(self.shown.plan, x))
        point, _ = MapAttack(seed=method.seed).run(
            lambda points: loss(self.scores(smooth, points)),
            self._judge(loss),
            lower,
            upper,
            self.query.network.input_dtype,
            self.engine.device,
            enough,
            self.task.budget.over,
            tried,
        )
        return point

    def _judge(self, loss: Loss) -> Loss:
        """The loss at points of the same decision, minus infinity at others."""
        matrix, offsets = self.query.target.matrix(self.query.network.outputs)
        coefficients, shift = self.engine.tensor(matrix), self.engine.tensor(offsets)

        def stands(points: Tensor) -> Tensor:
            outputs = self.shown.run(points)[self.shown.plan.output].flatten(1)
            return (outputs @ coefficients.T + shift).amax(1) < 0

        here = stands(self.map.slopes.explained.x[None])

        def judge(points: Tensor) -> Tensor:
            values = loss(self.scores(self.shown, points))
            return torch.where(stands(points) == here, values, -torch.inf)

        return judge

    def largest(self, goal: Goal) -> Iterator[tuple[float, Broken | None, Proof | None]]:
        """The largest radius proved and the nearest input that breaks it, better each time."""
        box = self.query.box
        top = float(np.maximum(box.upper - self.center, self.center - box.lower).max())
        radii = _Radii(self, goal, top)
        yield from radii.prove(2.0)
        yield from radii.attack(4.0)
        yield from radii.prove(_CLOSE)
        yield from radii.attack(_CLOSE)
        yield from radii.split()


class _Radii:
    """Radii tried so far.

    Attributes:
        proved, failed: the largest proved, and the least not proved.
        missed: the largest at which an attack found nothing.
        broken, proof: the nearest input that breaks the goal; the proof of `proved`.
    """

    def __init__(self, search: MapSearch, goal: Goal, top: float) -> None:
        self.search, self.goal, self.top = search, goal, top
        self.proved, self.failed, self.missed = 0.0, np.inf, 0.0
        self.broken: Broken | None = None
        self.proof: Proof | None = None

    def now(self) -> tuple[float, Broken | None, Proof | None]:
        if self.broken is not None and self.broken.radius <= self.proved:
            raise SoundnessAlarm(
                f"the map is proved stable up to {self.proved!r}, but it is another one at an "
                f"input {self.broken.radius!r} away"
            )
        return self.proved, self.broken, self.proof

    def over(self) -> bool:
        return self.search.task.budget.over()

    def tried(self, radius: float, boxes: int = 1) -> bool:
        """Whether the goal holds within a radius, split into so many boxes."""
        held = False
        try:
            for proof in self.search.proofs(*self.search.within(radius), self.goal):
                held = proof.holds
                if held:
                    self.proved, self.proof = radius, proof
                if held or proof.boxes >= boxes or self.over():
                    break
        except (BoundFailedError, OutOfMemoryError):
            held = False
        if not held:
            self.failed = min(self.failed, radius)
        return held

    def prove(self, close: float) -> Iterator[tuple[float, Broken | None, Proof | None]]:
        """Double while it holds, halve until it does, then between the two; one box each.

        Args:
            close: ratio of the radii at which it ends.
        """
        while not self.over() and self.proved < self.top and self.failed > self.top * 2.0**-30:
            if self.failed == np.inf:
                radius = min(2 * self.proved, self.top) or self.top / 256
            elif self.proved == 0:
                radius = self.failed / 2
            elif self.failed / self.proved > close:
                radius = (self.failed * self.proved) ** 0.5
            else:
                return
            self.tried(radius)
            yield self.now()

    def attack(self, close: float) -> Iterator[tuple[float, Broken | None, Proof | None]]:
        """Attack larger and larger balls, then between what was missed and the broken input.

        Args:
            close: ratio of the radii at which it ends.
        """
        while not self.over() and self.proved < self.top:
            low = max(self.missed, self.proved)
            if self.broken is None:
                radius = min(2 * low, self.top) or self.top / 256
            elif self.broken.radius <= close * max(low, self.top * 2.0**-30):
                return
            else:
                radius = (self.broken.radius * max(low, self.broken.radius / 8)) ** 0.5
            found = self.search.attack(*self.search.within(radius), self.goal)
            if found is None:
                self.missed = max(self.missed, radius)
            elif self.broken is None or found.radius < self.broken.radius:
                self.broken = found
            yield self.now()
            if self.broken is None and self.missed >= self.top:
                return

    def split(self) -> Iterator[tuple[float, Broken | None, Proof | None]]:
        """With many boxes, between the proved radius and the nearest broken input."""
        boxes = _MOST
        top = far = self.top if self.broken is None else self.broken.radius
        while not self.over() and self.proved > 0:
            if far <= _CLOSE * self.proved:
                if not self.search.task.budget.words or top <= _CLOSE * self.proved:
                    return
                boxes, far = 4 * boxes, top
            radius = min((self.proved * far) ** 0.5, 2 * self.proved)
            if not self.tried(radius, boxes):
                far = radius
            yield self.now()
