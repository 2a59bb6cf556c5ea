"""A small set of groups that alone fixes the decision."""

from collections.abc import Iterator

import numpy as np

from verixplain.certify.claim import Finding, Proved, Stands, Task, claim_kinds, replayed
from verixplain.certify.sufficient import Sufficient
from verixplain.errors import SettingError, SoundnessAlarm


@claim_kinds.add
class SufficientClaim:
    """Some groups, held as they are, fix the decision whatever the others do within the box.

    Ends with a set as small as was found, and with a size that no such set is below. Refuted by a
    point where the decision is lost and no group is moved.
    """

    certified_by = (("sufficient",), ("set below zero",), ("prediction",), ("box below zero",))
    options = ()
    explained_by = None

    def __init__(self, words: str) -> None:
        if words:
            raise SettingError(f"the claim is written sufficient, not sufficient:{words}")
        self.parameters = {}

    def prove(self, task: Task) -> Iterator[Finding]:
        """Smaller sets, and larger sizes that none is below, as long as either comes."""
        if task.proved is None:
            raise SettingError("a sufficient set needs the scores of the groups")
        yield from _Search(task, task.proved).run()


class _Search:
    """From both sides, until they meet or the budget is over."""

    def __init__(self, task: Task, proved: Proved) -> None:
        self.task, self.scores = task, proved.scores
        self.sets = Sufficient(task.query, task.method.bound, task.method.device, task.method.seed)
        self.best = np.ones(len(self.scores), dtype=bool)
        self.bound = float(self.sets.upper(self.best[None])[0])
        self.lower, self.minimal = 0, False
        overlaps = proved.overlaps
        self.sets.add(np.concatenate([overlaps.witness[None], overlaps.group_witness]))

    def run(self) -> Iterator[Finding]:
        yield self._finding()
        if not self.bound < 0:
            self.sets.attack(self.best[None])
            yield self._finding()
            return
        for step in (self._rounds, self._ones, self._below, self._ones):
            for _ in step():
                yield self._finding()
                if self.task.budget.step() or self.lower == self.best.sum():
                    return
        self.minimal = bool(self.sets.attack(self._without_one()).all())
        yield self._finding()

    def _accept(self, frozen: np.ndarray, bound: float) -> bool:
        if not bound < 0 or frozen.sum() >= self.best.sum():
            return False
        self.best, self.bound = frozen, bound
        return True

    def _rounds(self) -> Iterator[None]:
        """Free many at once; where that fails, the half that counts least."""
        candidates = self.best.copy()
        while candidates.any():
            free = self.sets.freed(self.best, candidates)
            fewer = self.best & ~free
            if free.any() and self._accept(fewer, float(self.sets.upper(fewer[None])[0])):
                candidates = self.best.copy()
            else:
                ranked = np.flatnonzero(candidates)
                ranked = ranked[np.argsort(self.scores[ranked], kind="stable")]
                candidates[ranked[len(ranked) // 2 :]] = False
            yield

    def _ones(self) -> Iterator[None]:
        """Free one group after the other, the one that leaves most room."""
        while self.best.any():
            tried = self._without_one()
            bounds = self.sets.upper(tried)
            least = int(bounds.argmin())
            if not self._accept(tried[least], float(bounds[least])):
                return
            yield

    def _below(self) -> Iterator[None]:
        """Attack the smallest set that meets every point found, until none is found."""
        while True:
            smallest, self.lower = self.sets.smallest()
            if self._accept(smallest, float(self.sets.upper(smallest[None])[0])):
                yield
                return
            yield
            if not self.sets.attack(smallest[None])[0]:
                return

    def _without_one(self) -> np.ndarray:
        """The set without each of its groups: (groups of it, groups)."""
        numbers = np.flatnonzero(self.best)
        tried = np.repeat(self.best[None], len(numbers), axis=0)
        tried[np.arange(len(numbers)), numbers] = False
        return tried

    def _finding(self) -> Finding:
        query, names = self.task.query, self.task.query.groups.names
        wanted = query.target.in_words()
        for point, moved in zip(self.sets.points, self.sets.sets, strict=True):
            if not moved[self.best].any() and self.bound < 0:
                raise SoundnessAlarm("a point loses the decision that a set of groups fixes")
            if not moved.any():
                statement = f"{wanted} with some set of groups held still"
                value = replayed(query, point)
                status = "refuted" if value >= 0 else "unknown"
                return Finding(status, statement, None, point, None, {"replayed": value})
        if not self.bound < 0:
            return Finding("unknown", f"{wanted} with all groups held still", self.bound)
        numbers = [int(u) for u in np.flatnonzero(self.best)]
        statement = (
            f"{wanted} with {len(numbers)} of {len(names)} groups held still, wherever the others "
            f"are in the box ({', '.join(names[u] for u in numbers)}); beside that, covered by no "
            f"certificate, points found say that no set has fewer than {self.lower}"
        )
        details = {
            "groups": numbers,
            "lower": self.lower,
            "upper": len(numbers),
            "subset_minimal": self.minimal or self.lower == len(numbers),
            "witnesses": len(self.sets.points),
        }
        arrays = {"witnesses": np.stack(self.sets.points)} if self.sets.points else {}
        frozen = np.flatnonzero(self.sets.held(self.best))
        return Finding(
            "estimate", statement, self.bound, details=details, arrays=arrays,
            rests_on=Stands(frozen),
        )  # fmt: skip
