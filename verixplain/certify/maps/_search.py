"""Proofs and attacks about one map: box after box, and radius after radius."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from verixplain.attack.map import MapAttack, rounded
from verixplain.attribution._base import Attribution
from verixplain.bounds.enclosure import enclose
from verixplain.bounds.jacobian import derivative
from verixplain.certify.claim import Task, replayed
from verixplain.certify.maps import maps
from verixplain.certify.maps._arithmetic import Region, cut, grouped, rows
from verixplain.certify.maps._base import Shown, Slopes
from verixplain.certify.maps._goals import Change, Goal
from verixplain.certify.maps._weights import LooseSlopes
from verixplain.errors import BoundFailedError, OutOfMemoryError, SettingError, SoundnessAlarm
from verixplain.network.primitives import Univariate

_MOST = 128
"""Boxes that a box is split into at most where there is no budget."""

_TOGETHER = 4
"""Boxes that are split at once."""

_CLOSE = 1.05
"""The search for a radius ends where two radii are so near, as a ratio."""

Ends = tuple[np.ndarray, np.ndarray]
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


@dataclass(frozen=True, eq=False)
class Proof:
    """What is proved of the map over a box.

    Args:
        lower, upper: every feature's score lies between them: (features,).
        change: from the map at the center.
        holds: whether the goal does; True where there is none.
        boxes: into how many the box was split.
    """

    lower: np.ndarray
    upper: np.ndarray
    change: Change
    holds: bool
    boxes: int


@dataclass(frozen=True, eq=False)
class _Leaf:
    lower: np.ndarray
    upper: np.ndarray
    region: Region
    change: Change
    holds: bool


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
        for _ in boxes:
            self.task.budget.step()
        low, high = (self.engine.tensor(np.stack(ends)) for ends in zip(*boxes, strict=True))
        with torch.no_grad():
            return rows(cut(grouped(cut(self.map.over(low, high)), self.query.groups)))

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

    def proofs(self, lower: np.ndarray, upper: np.ndarray, goal: Goal | None) -> Iterator[Proof]:
        """What is proved over a box, split further each time, until the goal holds."""
        leaves = self._leaves([(lower, upper)], goal, [None])
        yield _together(leaves)
        limited = bool(self.task.budget.words)
        while limited or len(leaves) < _MOST:
            open_ = [leaf for leaf in leaves if goal is None or not leaf.holds]
            if not open_ or self.task.budget.over():
                return
            worst = sorted(open_, key=lambda leaf: -leaf.change.linf)[:_TOGETHER]
            halves = [(leaf, half) for leaf in worst for half in self._halves(leaf)]
            if not halves:
                return
            gone = {id(leaf) for leaf, _ in halves}
            leaves = [leaf for leaf in leaves if id(leaf) not in gone]
            leaves += self._leaves([half for _, half in halves], goal, [leaf for leaf, _ in halves])
            yield _together(leaves)

    def _leaves(
        self, boxes: Sequence[Ends], goal: Goal | None, parents: Sequence[_Leaf | None]
    ) -> list[_Leaf]:
        """Boxes with what is proved over them; what holds over a parent holds over its parts."""
        made = []
        for box, parent, found in zip(boxes, parents, self.region(*boxes), strict=True):
            if parent is not None:
                low = torch.maximum(found.lower, parent.region.lower)
                high = torch.minimum(found.upper, parent.region.upper)
                found = replace(found, lower=low, upper=high)
            if not bool((found.lower <= found.upper).all()):
                raise SoundnessAlarm("a score's lower bound lies above its upper one")
            change = Change.over(found, self.start, self.members)
            made.append(_Leaf(*box, found, change, goal is None or goal.holds(found)))
        return made

    def _halves(self, leaf: _Leaf) -> list[Ends]:
        """The box cut in two where that settles most; none where it is a point."""
        width = leaf.upper - leaf.lower
        weight = self._influence(leaf.lower, leaf.upper) * width
        weight = weight if weight.any() else width
        place = np.unravel_index(int(weight.argmax()), weight.shape)
        middle = leaf.lower[place] + width[place] / 2
        if not leaf.lower[place] < middle < leaf.upper[place]:
            return []
        below, above = leaf.upper.copy(), leaf.lower.copy()
        below[place] = above[place] = middle
        return [(leaf.lower, below), (above, leaf.upper)]

    def _influence(self, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
        """About how much each input moves what is open: the input's shape, only to choose by."""
        low, high = (self.engine.tensor(end)[None] for end in (lower, upper))
        values = enclose(self.engine.exact, low, high)
        x = ((low + high) / 2).requires_grad_()
        generator, total = torch.Generator().manual_seed(0), x.new_zeros(())
        with torch.enable_grad():
            inner = self.engine.exact.run(x)
            for step in self.engine.exact.steps:
                if isinstance(step.kind, Univariate):
                    name = step.inputs[0]
                    ends = values[name].lower, values[name].upper
                    least, most = derivative(step.kind, *ends, True, step.node)
                    signs = torch.randn(least.shape, generator=generator).to(least)
                    total = total + (signs * (most - least) * inner[name]).sum()
            (found,) = torch.autograd.grad(total, x, allow_unused=True)
        return np.zeros_like(lower) if found is None else found[0].abs().cpu().numpy()

    def attack(self, lower: np.ndarray, upper: np.ndarray, goal: Goal) -> Broken | None:
        """Look for an input of the box at which the goal fails."""
        point = self._attacked(lower, upper, goal.loss, 0.0)
        found = self.at(point)
        overlap = replayed(self.query, point)
        same = (overlap < 0) == (replayed(self.query, self.center) < 0)
        if not (same and goal.broken(found)):
            return None
        radius = float(np.nextafter(np.abs(point - self.center).max(), np.inf))
        return Broken(point, found, radius, overlap)

    def farthest(self, lower: np.ndarray, upper: np.ndarray) -> float:
        """A change (L-infinity) of the map that some input of the box certainly makes."""

        def moved(scores: Tensor) -> Tensor:
            return (scores - self.reference).abs().amax(1)

        point = self._attacked(lower, upper, moved, np.inf)
        found = self.at(point)
        gaps = torch.maximum(found.lower - self.start.upper, self.start.lower - found.upper)
        return max(0.0, float(torch.nextafter(gaps.max(), gaps.new_tensor(-torch.inf))))

    def _attacked(
        self, lower: np.ndarray, upper: np.ndarray, loss: Loss, enough: float
    ) -> np.ndarray:
        """The best point of an attack that only counts points of the same decision."""
        method, x = self.task.method, self.map.slopes.explained.x[None]
        smooth = Shown(self.shown.plan, self.shown.number, rounded(self.shown.plan, x))
        matrix, offsets = self.query.target.matrix(self.query.network.outputs)
        coefficients, shift = self.engine.tensor(matrix), self.engine.tensor(offsets)

        def stands(points: Tensor) -> Tensor:
            outputs = self.shown.run(points)[self.shown.plan.output].flatten(1)
            return (outputs @ coefficients.T + shift).amax(1) < 0

        here = stands(x)

        def judge(points: Tensor) -> Tensor:
            values = loss(self.scores(self.shown, points))
            return torch.where(stands(points) == here, values, -torch.inf)

        point, _ = MapAttack(seed=method.seed).run(
            lambda points: loss(self.scores(smooth, points)),
            judge,
            lower,
            upper,
            self.query.network.input_dtype,
            self.engine.device,
            enough,
            self.task.budget.over,
        )
        return point

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


def _together(leaves: list[_Leaf]) -> Proof:
    """What holds over all of them."""
    lower = torch.stack([leaf.region.lower[0] for leaf in leaves]).amin(0)
    upper = torch.stack([leaf.region.upper[0] for leaf in leaves]).amax(0)
    change = leaves[0].change
    for leaf in leaves[1:]:
        change = change.worst(leaf.change)
    holds = all(leaf.holds for leaf in leaves)
    return Proof(lower.cpu().numpy(), upper.cpu().numpy(), change, holds, len(leaves))
