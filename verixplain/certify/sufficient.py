"""A small set of groups that alone fixes the decision: rule 5.

Found from both sides. *Above*: groups are freed in rounds. A round takes one linear bound of every
row over the box in which all its candidates move at once, and frees as many of them as keeps all
rows below zero (a knapsack with a constraint for every row; an input that several groups share
counts once, and only where all of them are free). The bound of what is left is then made again.
*Below*: a point where the decision is lost moves some groups, and every set that fixes the
decision freezes one of them; so no such set is smaller than the smallest that meets all points
found. That one is attacked next: either a new point turns up, or it may be a set itself.

Sources: knapsack freeing, FAME (arXiv:2603.10661); smallest sets from both sides as in Ignatiev
et al. 2019, arXiv:1811.10656, with bounds and attacks in the place of a solver.
"""

import numpy as np
from scipy.optimize import LinearConstraint, milp

from verixplain.attack.pgd import PGD
from verixplain.bounds import Engine, bound, lower_at
from verixplain.bounds.parent import linear_bounds
from verixplain.errors import BoundFailedError
from verixplain.features import Groups
from verixplain.query import Query

_SECONDS = 10.0
"""How long one integer program may take; what it has by then is used."""


class Sufficient:
    """Sets of groups of one query, as flags: (groups,), True where a group is frozen.

    Args:
        query: what was asked.
        method: bound method of single boxes.
        device: where to compute.
        seed: of the attacks.
    """

    def __init__(self, query: Query, method: str, device: str = "auto", seed: int = 0) -> None:
        self.query, self.method, self.seed = query, method, seed
        self.engine = Engine.of(query.network, "float64", device)
        self.table = query.groups.memberships()
        self.points: list[np.ndarray] = []
        self.sets: list[np.ndarray] = []

    def held(self, frozen: np.ndarray) -> np.ndarray:
        """Inputs that some frozen group holds: (inputs,)."""
        return np.asarray(self.table[frozen].any(axis=0))

    def upper(self, frozen: np.ndarray) -> np.ndarray:
        """Upper bounds of the overlap with groups frozen: (sets,) for (sets, groups)."""
        box = self.query.box
        held = np.stack([self.held(one) for one in frozen]).reshape(-1, *box.center.shape)
        found = bound(
            self.query.network,
            np.where(held, box.center, box.lower),
            np.where(held, box.center, box.upper),
            self.query.target,
            self.method,
            device=self.engine.device,
        )
        return found.overlap_upper

    def freed(self, frozen: np.ndarray, candidates: np.ndarray) -> np.ndarray:
        """Candidates that one linear bound allows to free together, as many as it does."""
        box, stays = self.query.box, frozen & ~candidates
        free = ~self.held(stays)
        loose = np.flatnonzero(free & self.table[candidates].any(axis=0))
        if not len(loose):
            return candidates
        patterns, which = np.unique(self.table[candidates][:, loose], axis=1, return_inverse=True)
        members = tuple(loose[which == k] for k in range(patterns.shape[1]))
        cells = Groups(box.center.shape, members, tuple(map(str, range(len(members)))))
        wide = box.freeze(np.flatnonzero(~free))
        whole, without = linear_bounds(self.engine, wide, cells, self.query.target)
        weights = whole[:, None] - without
        chosen = _knapsack(whole - weights.sum(axis=1), weights, patterns)
        numbers = np.flatnonzero(candidates)[chosen]
        found = np.zeros_like(frozen)
        found[numbers] = True
        return found

    def add(self, points: np.ndarray) -> None:
        """Keep those points of the box where the decision is lost, with what they move."""
        lower = lower_at(self.query.network, points, self.query.target).max(axis=1)
        for point in points[lower >= 0]:
            least = self._fewer(point)
            self.points.append(least)
            self.sets.append(self._moved(least))

    def attack(self, frozen: np.ndarray) -> np.ndarray:
        """Look for points where the decision is lost: (sets,), whether one was found.

        Args:
            frozen: (sets, groups).
        """
        masks = np.stack([self.held(one) for one in frozen])
        search = PGD(steps=40, restarts=4, seed=self.seed)
        found = search.run(self.query, masks, device=self.engine.device)
        self.add(found.points[found.lower >= 0])
        return found.lower >= 0

    def smallest(self) -> tuple[np.ndarray, int]:
        """A set that meets every point found, and what no smaller one can have: its size."""
        count = len(self.table)
        if not self.sets:
            return np.zeros(count, dtype=bool), 0
        found = milp(
            np.ones(count),
            integrality=np.ones(count),
            bounds=(0, 1),
            constraints=[LinearConstraint(np.array(self.sets, float), lb=1.0)],
            options={"time_limit": _SECONDS},
        )
        if found.x is None:
            raise BoundFailedError(f"the smallest set was not found: {found.message}")
        return found.x > 0.5, int(np.ceil(found.mip_dual_bound - 1e-6))

    def _moved(self, point: np.ndarray) -> np.ndarray:
        """Groups with an input that is elsewhere: (groups,)."""
        elsewhere = point.astype(np.float64).ravel() != self.query.box.center.ravel()
        return np.asarray(self.table[:, elsewhere].any(axis=1))

    def _fewer(self, point: np.ndarray) -> np.ndarray:
        """The point with as many groups put back as the attack's row survives, one by one."""
        matrix, offsets = self.query.target.matrix(self.query.network.outputs)
        center, best = self.query.box.center.astype(point.dtype), point.copy()
        for u in np.flatnonzero(self._moved(point)):
            tried = best.copy()
            tried.flat[self.query.groups.members[u]] = center.flat[self.query.groups.members[u]]
            outputs = self.query.network(tried[None])[0].astype(np.float64)
            if (matrix @ outputs + offsets).max() > 0:
                best = tried
        rigorous = lower_at(self.query.network, best[None], self.query.target).max()
        return best if rigorous >= 0 else point


def _knapsack(base: np.ndarray, weights: np.ndarray, patterns: np.ndarray) -> np.ndarray:
    """The most candidates that can be free together: their numbers.

    Args:
        base: (rows,), bounds with no candidate free.
        weights: (rows, cells), what each cell adds to them where it is free.
        patterns: (candidates, cells), which candidates hold a cell.
    """
    count, cells = patterns.shape
    room = -base - 1e-9 * (1 + np.abs(base))
    if not (room > 0).all():
        return np.array([], dtype=np.int64)
    below = np.full(len(room), -np.inf)
    rows = LinearConstraint(np.hstack([np.zeros((len(base), count)), weights]), below, room)  # pyright: ignore[reportArgumentType]
    # A cell is free where all its candidates are: y >= 1 - sum (1 - f).
    holders = patterns.T.astype(float)
    shared = LinearConstraint(np.hstack([-holders, np.eye(cells)]), lb=1 - holders.sum(axis=1))
    found = milp(
        np.concatenate([-np.ones(count), np.zeros(cells)]),
        integrality=np.concatenate([np.ones(count), np.zeros(cells)]),
        bounds=(0, 1),
        constraints=[rows, shared],
        options={"time_limit": _SECONDS, "mip_rel_gap": 0.01},
    )
    if found.x is None:
        return np.array([], dtype=np.int64)
    return np.flatnonzero(found.x[:count] > 0.5)
