"""A query and its network -> sat, unsat, unknown or timed-out."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from verixplain.errors import (
    BoundFailedError,
    OutOfMemoryError,
    UnsupportedBoundError,
    UnsupportedOperatorError,
)
from verixplain.vnnlib.bounding import bounds_of, excluding
from verixplain.vnnlib.deadline import Deadline
from verixplain.vnnlib.rows import Rows
from verixplain.vnnlib.search import Judge, Search, Witness
from verixplain.vnnlib.specification import Specification
from verixplain.vnnlib.split import FEW, split

if TYPE_CHECKING:
    from verixplain.network import Network

VERDICTS = ("sat", "unsat", "unknown", "timed-out")
DEARER = 40
"""What alpha-crown takes, in times of crown: twenty steps forward and back."""

ROOT = 4
"""What the first bounds of a tree take, in times of crown."""

VERY_FEW = 8
"""Free inputs up to which halving boxes at once is quicker than alpha-crown."""

Told = Callable[[str], None]

_BOUNDS_MISSING = (
    BoundFailedError, OutOfMemoryError, UnsupportedBoundError, UnsupportedOperatorError
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Answer:
    """What is known about a query.

    Args:
        verdict: one of `VERDICTS`.
        witness: the counterexample, where it is `sat`.
        how: what decided, in words.
        notes: what else a reader must know.
    """

    verdict: str
    witness: Witness | None = None
    how: str = ""
    notes: tuple[str, ...] = field(default=())


def solve(
    specification: Specification,
    network: "Network",
    deadline: Deadline | None = None,
    told: Told = lambda words: None,
    seed: int = 0,
) -> Answer:
    """Decide a query.

    `sat` is said only of a point that ONNX Runtime confirms (and, where the query is about real
    arithmetic, that rigorous bounds at the point confirm as well). `unsat` rests on sound bounds
    over the reals; so it is never said of a query about a floating-point type.

    Args:
        specification: the query; `check_fits` has accepted the network.
        network: the network.
        deadline: when to stop; the last step begun may still end later.
        told: hears what is done.
        seed: of the attack.
    """
    deadline = deadline or Deadline()
    proofs, open_, notes = [], 0, []
    for number, region in enumerate(specification.regions):
        where = f"region {number + 1} of {len(specification.regions)}: "
        if region.empty:
            proofs.append("an empty box")
            continue
        solver = _Region(specification, network, number, deadline, lambda w, at=where: told(at + w))
        proved, witness, how = solver.run(seed)
        notes += [where + note for note in solver.notes]
        if witness is not None:
            return Answer("sat", witness, how, tuple(notes))
        if proved:
            proofs.append(how)
        else:
            open_ += 1
    if open_:
        return Answer("timed-out" if deadline.passed else "unknown", notes=tuple(notes))
    how = ", ".join(dict.fromkeys(proofs)) or "no input satisfies the assertions"
    if specification.real:
        return Answer("unsat", None, how, tuple(notes))
    notes.append(
        f"no counterexample exists in real arithmetic ({how}), but the query is about "
        f"{specification.input.type}, for which nothing is proved; declare real to ask about "
        "real arithmetic"
    )
    return Answer("unknown", notes=tuple(notes))


class _Region:
    """The steps on one region: attack, bounds from cheap to dear, then smaller boxes."""

    def __init__(
        self,
        specification: Specification,
        network: "Network",
        number: int,
        deadline: Deadline,
        told: Told,
    ) -> None:
        region = specification.regions[number]
        self.network, self.deadline, self.told = network, deadline, told
        self.rows = Rows(region, specification.input.size, specification.output.size)
        self.judge = Judge(network, region, self.rows, specification.real)
        self.open = list(range(len(region.unsafe)))
        self.free = int((self.rows.lower < self.rows.upper).sum())
        self.notes: list[str] = []
        self.spent = 0.0

    def run(self, seed: int) -> tuple[bool, Witness | None, str]:
        """(proved, witness, what decided)."""
        search = Search(self.judge, seed)
        few = self.free <= FEW
        plan = [("attack", 10, 3), ("interval",), ("crown",)]
        plan += [("attack", 30, 8)] if few else [("attack", 40, 6)]
        if self.free > VERY_FEW:
            plan += [("alpha-crown",)]
        plan += [("split",)] if few else [("attack", 100, 20), ("tree",)]
        for step, *numbers in plan:
            if self.deadline.passed:
                break
            self.told(step)
            if step == "attack":
                witness = search.run(self.open, numbers[0], numbers[1], self.deadline)
                if witness is not None:
                    return False, witness, "attack"
            elif step == "split":
                proved, witness = self._split(search)
                if proved or witness is not None:
                    return proved, witness, "bounds on halved boxes"
            elif step == "tree":
                if self.spent * ROOT <= self.deadline.left and self._tree():
                    return True, None, "branch and bound on phases"
            elif step == "alpha-crown" and self.spent * DEARER > self.deadline.left:
                self.notes.append("no time for alpha-crown: about 40 times what crown took")
            elif self._bounds(step):
                return True, None, step
        return False, None, ""

    def _bounds(self, method: str) -> bool:
        """Whether a bound method excludes every conjunction that is still open."""
        rows = self.rows
        members = sorted({row for number in self.open for row in rows.conjunctions[number]})
        if not members:
            return False
        low, high = rows.lower[None], rows.upper[None]
        begin = time.monotonic()
        try:
            lower, upper = bounds_of(self.network, rows, low, high, method, members)
        except _BOUNDS_MISSING as error:
            self.notes.append(f"{method} gives no bounds: {error}")
            return False
        self.spent = time.monotonic() - begin
        gone = rows.any_of(rows.excluded(lower, upper))[0]
        self.open = [number for number in self.open if not gone[number]]
        self.told(f"{method}: {len(self.open)} of {len(rows.conjunctions)} conjunctions open")
        return not self.open

    def _tree(self) -> bool:
        """Whether splitting neurons excludes what is open; for conjunctions of one row each."""
        rows = self.rows
        members = sorted({row for number in self.open for row in rows.conjunctions[number]})
        single = all(len(rows.conjunctions[number]) == 1 for number in self.open)
        if not single or rows.on_inputs is not None or rows.equal[members].any():
            return False
        try:
            tree = excluding(self.network, rows, members)
            while not self.deadline.passed:
                if tree.upper[:, -1].max() < 0:
                    return True
                if not tree.grow([np.array([]), np.array([0.0])]):
                    return False
                self.told(f"branch and bound: {len(tree.leaves)} leaves")
        except _BOUNDS_MISSING as error:
            self.notes.append(f"branch and bound left out: {error}")
        return False

    def _split(self, search: Search) -> tuple[bool, Witness | None]:
        for method in ("crown", "interval"):
            try:
                return split(self.network, self.rows, search, method, self.deadline, self.told)
            except _BOUNDS_MISSING as error:
                self.notes.append(f"{method} on smaller boxes gives no bounds: {error}")
        return False, None
