"""EVA: how much freezing a group lowers the verified adversarial overlap."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace

import numpy as np

from verixplain.attack.pgd import PGD, Witnesses
from verixplain.attribution._base import Method
from verixplain.bounds import Engine, bound, method_named
from verixplain.bounds.hybrid import sampled_upper
from verixplain.bounds.parent import GroupBounds, bound_groups
from verixplain.errors import SettingError, SoundnessAlarm
from verixplain.explanation import Explanation, Overlaps
from verixplain.features import Groups
from verixplain.query import Query
from verixplain.registry import methods

ENGINES = ("auto", "parent", "per-group", "hybrid")
_COEFFICIENTS = ("crown", "crown-ibp", "alpha-crown")
"""Bound methods whose coefficients on the whole box serve every group."""

Progress = Callable[[str, int, int], None]


@methods.add
@dataclass(frozen=True)
class EVA(Method):
    """Verified importance `U(B) - U(B_u)`, in units of the target's margin (logits).

    The score is a difference of two upper bounds. What is proved about the true importance
    `AO(B) - AO(B_u)` is the enclosure beside it: the upper bounds together with lower bounds
    from an attack whose points are kept as witnesses.

    Args:
        bound: name of the bound method.
        engine: `parent`, one pass over the whole box that serves every group, for bounds of the
            CROWN family; `per-group`, a bound for every group, as published; `hybrid`, sampled
            values at the node `cut` and the bound from there on, which is empirical; `auto` is
            `parent` where the bound allows it.
        dtype: precision of the bounds.
        device: of bounds and attack.
        steps, restarts, seed: of the attack.
        batch: boxes bounded at once; by default as many as fit in memory.
        iterations: of the optimisation of slopes, for `alpha-crown`.
        cut: for `hybrid`: the name of an ONNX node.
        samples: for `hybrid`: points drawn in the box.

    Source: Fel et al. 2023, arXiv:2202.07728 (CVPR 2023); the enclosure is ours.
    """

    bound: str = "crown"
    engine: str = "auto"
    dtype: str = "float64"
    device: str = "auto"
    steps: int = 20
    restarts: int = 2
    seed: int = 0
    batch: int | None = None
    iterations: int = 20
    cut: str = ""
    samples: int = 100

    needs = "a network with bounds"
    guarantee = "estimate"
    uses_box = True

    @property
    def cost(self) -> str:
        return "about 2 bounds and 1 attack a group"

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise SettingError(f"no engine {self.engine!r}; there are: {', '.join(ENGINES)}")
        if self.engine == "parent" and self.bound not in _COEFFICIENTS:
            raise SettingError(
                f"the parent pass needs a bound with coefficients ({', '.join(_COEFFICIENTS)}), "
                f"not {self.bound!r}; use --engine per-group"
            )
        if (self.engine == "hybrid") != bool(self.cut):
            raise SettingError("--engine hybrid and --cut NODE go together")

    def explain(self, query: Query, progress: Progress | None = None) -> Explanation:
        """Bound every group of the query, attack every group, and enclose its importance.

        Raises:
            SoundnessAlarm: a rigorous lower bound exceeds a rigorous upper bound.
        """
        if self.engine == "hybrid":
            return self._empirical(query, progress)
        found = self._bounds(query, progress)
        begin = time.perf_counter()
        return self._enclosed(query, found, *self._attack(query, progress), begin)

    def anytime(self, query: Query, progress: Progress | None = None) -> Iterator[Explanation]:
        """What `explain` says: first with the center as the only witness, then after the attack."""
        found = self._bounds(query, progress)
        begin = time.perf_counter()
        yield self._enclosed(query, found, *self._unattacked(query), begin)
        begin = time.perf_counter()
        yield self._enclosed(query, found, *self._attack(query, progress), begin)

    def _bounds(self, query: Query, progress: Progress | None) -> "_Bounded":
        """Upper bounds of the box and of every group."""
        engine, evaluated = self.engine, len(query.groups)
        if engine == "auto":
            engine = "parent" if self.bound in _COEFFICIENTS else "per-group"
        if engine == "parent":
            found = self._parent(query, progress)
            intervals = {
                name: (low.cpu().numpy(), high.cpu().numpy())
                for name, (low, high) in found.values.items()
            }
            return _Bounded(
                engine,
                found.parent,
                found.rows,
                found.groups,
                intervals,
                found.rows_evaluated,
                found.timing,
            )
        box_rows, rows, timing = self._per_group(query, progress)
        evaluated *= len(query.target.matrix(query.network.outputs)[0])
        return _Bounded(engine, box_rows, rows, rows.max(axis=0), {}, evaluated, timing)

    def _enclosed(
        self, query: Query, found: "_Bounded", parent: Witnesses, groups: Witnesses, begin: float
    ) -> Explanation:
        """Scores and enclosures, from bounds and witnesses; `begin` is when the attack began."""
        timing = {**found.timing, "attack": time.perf_counter() - begin}
        timing["total"] = sum(timing.values())
        overlaps = propagate(
            query.groups, float(found.box_rows.max()), found.groups, parent, groups
        )
        overlaps = replace(
            overlaps, row_upper=found.rows, box_row_upper=found.box_rows, intervals=found.intervals
        )
        return Explanation(
            query=query,
            method="eva",
            guarantee="estimate",
            group_scores=overlaps.upper - overlaps.group_upper,
            settings={**asdict(self), "engine": found.engine},
            bound=self.bound,
            engine=found.engine,
            rows_evaluated=found.evaluated,
            overlaps=overlaps,
            timing=timing,
        )

    def _unattacked(self, query: Query) -> tuple[Witnesses, Witnesses]:
        """The center as the witness of everything."""
        center = query.box.center.astype(query.network.input_dtype)[None]
        whole = PGD(steps=0, restarts=1).run(
            query, np.ones((1, center.size), dtype=bool), device=self.device
        )
        same = np.zeros(len(query.groups), dtype=np.int64)
        return whole, Witnesses(*[column[same] for column in _columns(whole)])

    def _parent(self, query: Query, progress: Progress | None) -> GroupBounds:
        return bound_groups(
            Engine.of(query.network, self.dtype, self.device),
            query.box,
            query.groups,
            query.target,
            intermediate="ibp" if self.bound == "crown-ibp" else "crown",
            iterations=self.iterations if self.bound == "alpha-crown" else 0,
            progress=progress,
        )

    def _empirical(self, query: Query, progress: Progress | None) -> Explanation:
        """Scores from sampled values at a node: no bounds, so no enclosures and no order."""
        begin = time.perf_counter()
        engine = Engine.of(query.network, self.dtype, self.device)
        parent, groups = sampled_upper(
            engine, query, method_named(self.bound), self.cut, self.samples, self.seed, progress
        )
        return Explanation(
            query=query,
            method="eva",
            guarantee="empirical",
            group_scores=parent - np.minimum(groups, parent),
            settings=asdict(self),
            bound=self.bound,
            engine="hybrid",
            timing={"total": time.perf_counter() - begin},
            notes=(
                f"empirical: {self.samples} sampled inputs stand for the box at node "
                f"{self.cut!r}; only what follows it is verified, so nothing here is a bound",
            ),
        )

    def _per_group(
        self, query: Query, progress: Progress | None
    ) -> tuple[np.ndarray, np.ndarray, dict[str, float]]:
        """Every row over B and over every B_u (rows, groups), and the seconds each took."""
        box, groups = query.box, query.groups
        begin = time.perf_counter()

        def upper(low: np.ndarray, high: np.ndarray, report: Progress | None) -> np.ndarray:
            found = bound(
                query.network,
                low,
                high,
                query.target,
                self.bound,
                dtype=self.dtype,
                device=self.device,
                batch=self.batch,
                progress=report,
            )
            return found.upper

        parent = upper(box.lower[None], box.upper[None], None)[0]
        middle = time.perf_counter()
        parts, size = [], 1024
        for start in range(0, len(groups), size):
            low, high = frozen_boxes(query, start, start + size)

            def report(stage: str, done: int, total: int, start: int = start) -> None:
                if progress is not None:
                    progress(stage, start + done, len(groups))

            parts.append(upper(low, high, report))
        timing = {"parent": middle - begin, "groups": time.perf_counter() - middle}
        return parent, np.concatenate(parts).T, timing

    def _attack(self, query: Query, progress: Progress | None) -> tuple[Witnesses, Witnesses]:
        """The best points of the box and of every sub-box, the parent's serving all as a start."""
        size = query.box.center.size
        many = PGD(self.steps, max(4, self.restarts), self.seed)
        parent = many.run(query, np.zeros((1, size), dtype=bool), device=self.device)
        attack = PGD(self.steps, self.restarts, self.seed)
        parts = []
        for start in range(0, len(query.groups), 1024):
            frozen = query.groups.memberships(start, start + 1024)

            def report(stage: str, done: int, total: int, start: int = start) -> None:
                if progress is not None:
                    progress(stage, start + done, len(query.groups))

            parts.append(attack.run(query, frozen, parent.points[0], self.device, report))
        groups = Witnesses(
            *[np.concatenate(column) for column in zip(*map(_columns, parts), strict=True)]
        )
        return parent, groups


@dataclass(frozen=True, eq=False)
class _Bounded:
    """Upper bounds, and how they were made.

    Args:
        engine: as used.
        box_rows, rows, groups: of every row over B and over every B_u, and the largest.
        intervals: rigorous ones over B, by name of the value.
        evaluated: rows bounded for single groups.
        timing: seconds of the stages.
    """

    engine: str
    box_rows: np.ndarray
    rows: np.ndarray
    groups: np.ndarray
    intervals: Mapping[str, tuple[np.ndarray, np.ndarray]]
    evaluated: int
    timing: Mapping[str, float]


def _columns(found: Witnesses) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return found.points, found.lower, found.rows


def frozen_boxes(query: Query, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the sub-boxes `B_u` of groups `start` to `stop`: (groups, *input shape) each."""
    box = query.box
    held = query.groups.memberships(start, stop).reshape(-1, *box.center.shape)
    return np.where(held, box.center, box.lower), np.where(held, box.center, box.upper)


def propagate(
    groups: Groups,
    parent_upper: float,
    group_upper: np.ndarray,
    parent: Witnesses,
    found: Witnesses,
) -> Overlaps:
    """Everything that `B_u` within `B`, and nesting of the groups, says about the bounds.

    Raises:
        SoundnessAlarm: afterwards some lower bound exceeds its upper bound.
    """
    empty = np.array([not len(members) for members in groups.members])  # B_u is B
    upper = np.where(empty, parent_upper, np.minimum(group_upper, parent_upper))
    lower, points = found.lower.copy(), found.points.copy()
    for small, large in nested(groups):  # B_large lies in B_small
        upper[large] = min(upper[large], upper[small])
        if lower[large] > lower[small]:
            lower[small], points[small] = lower[large], points[large]
    whole, witness = float(parent.lower[0]), parent.points[0]
    best = int(lower.argmax())
    if lower[best] > whole:
        whole, witness = float(lower[best]), points[best]
    if not whole <= parent_upper:
        raise SoundnessAlarm(
            f"the box has an overlap of at least {whole!r}, but its upper bound is {parent_upper!r}"
        )
    wrong = np.flatnonzero(~(lower <= upper))
    if wrong.size:
        u = wrong[0]
        raise SoundnessAlarm(
            f"group {groups.names[u]!r} has an overlap of at least {lower[u]!r}, but its upper "
            f"bound is {upper[u]!r}"
        )
    return Overlaps(whole, float(parent_upper), lower, upper, witness, points)


def nested(groups: Groups) -> list[tuple[int, int]]:
    """Pairs (u, v) with u a subset of v, smallest v first; none where groups do not overlap."""
    total = sum(len(members) for members in groups.members)
    distinct = len(np.unique(np.concatenate(groups.members)))
    if total == distinct and all(len(members) for members in groups.members):
        return []
    table = groups.memberships().astype(np.float32)
    sizes = table.sum(axis=1)
    inside = (table @ table.T) == sizes[:, None]
    np.fill_diagonal(inside, False)
    pairs = [(int(u), int(v)) for u, v in np.argwhere(inside)]
    return sorted(pairs, key=lambda pair: (sizes[pair[1]], sizes[pair[0]]))
