"""Claims about one query, proved as far as the budget goes.

Claims about enclosures and order share their stages: bounds and attack (an EVA explanation), the
exchange rule, faces, then covers and branch and bound by turns; all the time the claims are asked.
Claims with a proof of their own come after that, one after the other. What was proved stays,
however the run ends.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import or_
from typing import Any

import numpy as np

from verixplain.attribution.eva import EVA
from verixplain.bounds.split import Tree
from verixplain.certify.branching import Branching
from verixplain.certify.budget import Budget
from verixplain.certify.claim import Asked, Finding, Proved, Task, claims_named
from verixplain.certify.confine import Confined
from verixplain.certify.exchange import Raised, exchange
from verixplain.certify.faces import Faces
from verixplain.certify.order import closure, order
from verixplain.certify.topk import top_k
from verixplain.errors import (
    OutOfMemoryError,
    SettingError,
    SoundnessAlarm,
    UnsupportedBoundError,
    UnsupportedQueryError,
    VerixplainError,
)
from verixplain.explanation import Explanation, Order
from verixplain.query import Query


@dataclass(frozen=True, eq=False)
class Outcome:
    """How one claim ended.

    Args:
        kind, parameters: what was claimed.
        finding: what is known of it.
        stopped_by: `settled`, `budget`, `exhausted`, `interrupted` or `error`.
        seconds, nodes: what was spent when it ended, since the run began.
    """

    kind: str
    parameters: Mapping[str, Any]
    finding: Finding
    stopped_by: str
    seconds: float
    nodes: int


@dataclass(frozen=True, eq=False)
class Certified:
    """What a run proved.

    Args:
        explanation: the scores, with the best enclosures and order.
        claims: how every claim asked for ended.
        seconds: what the run took.
        tree: of branch and bound, where it came to that: a certificate can name its leaves.
    """

    explanation: Explanation
    claims: tuple[Outcome, ...]
    seconds: float
    tree: Tree | None = None


def certify(
    query: Query,
    claims: Sequence[str],
    method: EVA | None = None,
    *,
    options: Mapping[str, Any] | None = None,
    budget: str = "",
    progress: Callable[[str, int, int], None] | None = None,
) -> Certified:
    """Prove or refute claims.

    Args:
        query: network, box, target and groups.
        claims: each `KIND[:PARAMETERS]`.
        method: bounds and attack; by default EVA's.
        options: of the claims that have them, by name (`shift`, `top_k`).
        budget: `60s`, `500nodes`, or "" for no limit.
        progress: told how far bounds, attack and proofs are.

    Raises:
        SoundnessAlarm: numbers that contradict each other.
        SettingError: a claim, an option or a budget that is none.
    """
    spent, method = Budget(budget), method or EVA()
    progress = progress or (lambda stage, done, count: None)
    if method.engine == "hybrid":
        raise SettingError("sampled bounds prove nothing; leave --engine hybrid out")
    asked = claims_named(claims, options or {})
    outcomes: dict[int, Outcome] = {}
    explanation = tree = None
    judged = {i: part for i, (_, part) in enumerate(asked) if hasattr(part, "judge")}
    about_eva = [part for _, part in asked if getattr(part, "explained_by", None) is None]
    interrupted = False
    # What rests on EVA is one part of the budget, and so is every claim with a proof of its own;
    # what one leaves over goes to those after it.
    parts = len(asked) - len(judged) + bool(about_eva)
    task = Task(query, method, spent.share(parts), progress)
    if about_eva:
        parts -= 1
        found, ended = _enclosed(task)
        run = _Run(task, found)
        order_needed = any(getattr(part, "needs_order", False) for part in about_eva)
        run.stopped = ended or run.stopped
        interrupted = ended == "interrupted"
        if not ended:
            interrupted = run.stages(list(judged.values()), order_needed)
        explanation, proved = run.explanation(), run.proved()
        tree = run.branching and run.branching.tree
        for i, part in judged.items():
            outcomes[i] = _ended(asked[i], part.judge(proved), run.stopped, spent)
        task = replace(task, proved=proved)
    for i in sorted(set(range(len(asked))) - set(judged)):
        if interrupted:
            outcomes[i] = _ended(asked[i], Finding("not-run", ""), "interrupted", spent)
            continue
        finding, stopped = _proved(asked[i][1], replace(task, budget=spent.share(parts)))
        outcomes[i] = _ended(asked[i], finding, stopped, spent)
        parts -= 1
        interrupted = outcomes[i].stopped_by == "interrupted"
    if explanation is None:
        explanation = asked[0][1].explained_by.explain(query, progress)
    ended = tuple(outcomes[i] for i in range(len(asked)))
    return Certified(explanation, ended, spent.spent, tree)


class _OverError(Exception):
    """The budget was over inside bounds or attack."""


def _enclosed(task: Task) -> tuple[Explanation, str]:
    """EVA's explanation, as far as it goes, and why it ended early, "" where it did not.

    Without an attack the center is the witness; without the bounds, intervals are.
    """
    found, ended = None, ""

    def told(stage: str, done: int, count: int) -> None:
        task.progress(stage, done, count)
        if task.budget.over():
            raise _OverError

    try:
        for found in task.method.anytime(task.query, told):  # noqa: B007 (the last one stands)
            pass
    except _OverError:
        ended = "budget"
    except KeyboardInterrupt:
        ended = "interrupted"
    if found is None:
        rough = replace(task.method, bound="interval", engine="per-group")
        found = next(rough.anytime(task.query))
    return found, ended


def _ended(asked: tuple[str, Any], finding: Finding, stopped: str, spent: Budget) -> Outcome:
    if finding.status == "unknown" and stopped == "budget":
        finding = replace(finding, status="timeout")
    kind, part = asked
    return Outcome(kind, part.parameters, finding, stopped, spent.spent, spent.nodes)


def _proved(part: Any, task: Task) -> tuple[Finding, str]:
    """Run one claim's own proof; its last finding stands, and why it ended."""
    finding, stopped = Finding("unknown", ""), "exhausted"
    try:
        for better in part.prove(task):
            finding = better
            if task.budget.over():
                break
        if finding.status != "unknown":
            stopped = "settled"
        if task.budget.over():
            stopped = "budget"
    except KeyboardInterrupt:
        stopped = "interrupted"
    except SoundnessAlarm:
        raise
    except VerixplainError as error:
        stopped = "error"
        if finding.status == "unknown":
            finding = replace(finding, status=_status(error))
        details = {**(finding.details or {}), "error": f"{type(error).__name__}: {error}"}
        finding = replace(finding, details=details)
    return finding, stopped


def _status(error: VerixplainError) -> str:
    if isinstance(error, OutOfMemoryError):
        return "out-of-memory"
    if isinstance(error, UnsupportedBoundError | UnsupportedQueryError):
        return "unsupported"
    return "error"


class _Run:
    """The proofs about one query that claims of order share, growing."""

    def __init__(self, task: Task, found: Explanation) -> None:
        if found.overlaps is None:
            raise SettingError(f"{found.method} bounds nothing")
        self.query, self.found, self.overlaps = task.query, found, found.overlaps
        self.budget, self.progress = task.budget, task.progress
        self.device, self.seed = task.method.device, task.method.seed
        self.raised: Raised | None = None
        self.box_upper: np.ndarray | None = None
        self.branching: Branching | None = None
        self.notes: list[str] = []
        self.stopped = "exhausted"

    def stages(self, parts: list[Any], order_needed: bool = False) -> bool:
        """Go on until the claims are settled or the budget is over; whether it was interrupted.

        Args:
            parts: the claims that are judged.
            order_needed: whether another claim starts from the order, as good as it gets.
        """

        def settled() -> bool:
            proved = self.proved()
            if order_needed and proved.order.decided < proved.order.pairs:
                return False
            return all(part.judge(proved).status != "unknown" for part in parts)

        try:
            for stage in (self.exchange, self.faces, self.search):
                if settled() or self.budget.over():
                    break
                try:
                    stage(settled, parts)
                except (UnsupportedBoundError, OutOfMemoryError) as error:
                    self.notes.append(f"{stage.__name__} left out: {error}")
            if settled():
                self.stopped = "settled"
            elif self.budget.over():
                self.stopped = "budget"
        except KeyboardInterrupt:
            self.stopped = "interrupted"
        return self.stopped == "interrupted"

    def explanation(self) -> Explanation:
        """The explanation with everything proved up to now."""
        proved, scores = self.proved(), self.found.group_scores
        return replace(
            self.found,
            overlaps=proved.overlaps,
            order=proved.order,
            top_k=top_k(proved.order, scores, min(3, len(self.query.groups))),
            timing={**self.found.timing, "total": self.budget.spent},
            tree=self.branching
            and {
                "nodes": self.branching.tree.nodes,
                "leaves": len(self.branching.tree.leaves),
                "stopped_by": self.stopped,
            },
            notes=(*self.found.notes, *self.notes),
        )

    def proved(self) -> Proved:
        """What follows from everything up to now."""
        overlaps = self.overlaps
        above = order(overlaps).above
        if self.raised is not None:
            upper = np.minimum(overlaps.group_upper, self.raised.row_upper.max(axis=0))
            whole, rows = overlaps.upper, overlaps.box_row_upper
            if self.box_upper is not None and rows is not None:
                rows = np.minimum(rows, self.box_upper)
                whole = min(whole, float(rows.max()))
            if not ((overlaps.group_lower <= upper).all() and overlaps.lower <= whole):
                raise SoundnessAlarm("a witness lies above a bound on a face")
            overlaps = replace(
                overlaps,
                upper=whole,
                group_upper=upper,
                row_upper=self.raised.row_upper,
                box_row_upper=rows,
            )
            above = above | order(overlaps).above | self.raised.above()
        return Proved(self.query, self.found.group_scores, overlaps, Order(closure(above)))

    def exchange(self, settled: Callable[[], bool], parts: list[Any]) -> None:
        """The exchange rule over the whole box."""
        self.raised = exchange(self.query, self.overlaps, device=self.device, stop=self.budget.step)

    def faces(self, settled: Callable[[], bool], parts: list[Any]) -> None:
        """Faces of one row after the other, until the claims are settled."""
        if self.raised is None:
            return
        faces = Faces(self.query, self.overlaps, self.device)
        self.box_upper = faces.box_upper
        for row in self.raised.asked():
            faces.row(row, self.raised, self.budget.step)
            if self.budget.over() or settled():
                return

    def search(self, settled: Callable[[], bool], parts: list[Any]) -> None:
        """Covers above floors and branch and bound by turns.

        Covers go on as long as they decide pairs. Where they do not, the tree has one turn, then
        two, four and so on between theirs: a cover takes longer, and seldom helps late.
        """
        if not parts or self.overlaps.row_upper is None:
            return
        turns = {"covers": self._covers(parts), "tree": self._tree(parts)}
        patience = 1

        def may(name: str) -> bool:
            return name in turns and not (settled() or self.budget.over())

        while may("covers") or may("tree"):
            while may("covers") and self._decides("covers", turns):
                patience = 1
            for _ in range(patience):
                if may("tree"):
                    self._decides("tree", turns)
            patience *= 2

    def _decides(self, name: str, turns: dict[str, Iterator[None]]) -> bool:
        """Take one turn, the last where there are no more; whether it decided a pair."""
        decided = self.proved().order.decided
        try:
            next(turns[name])
        except StopIteration:
            del turns[name]
        except (UnsupportedBoundError, OutOfMemoryError) as error:
            del turns[name]
            self.notes.append(f"{name} left out: {error}")
        order = self.proved().order
        self.progress("branch and bound", order.decided, order.pairs)
        return order.decided > decided

    def _asked(self, parts: list[Any]) -> Asked:
        proved = self.proved()
        return reduce(or_, (part.asks(proved) for part in parts))

    def _covers(self, parts: list[Any]) -> Iterator[None]:
        """Faces and exchange above floors."""
        if self.raised is None:
            return
        confined = Confined(self.query, self.proved().overlaps, self.device)
        for _ in confined.steps(self.raised, lambda: self._asked(parts).pairs):
            if self.box_upper is not None:
                self.box_upper = np.minimum(self.box_upper, confined.box_upper)
            self.budget.step()
            yield

    def _tree(self, parts: list[Any]) -> Iterator[None]:
        """Branch and bound, as long as it can help a claim."""
        branching = Branching(self.query, self.proved().overlaps, self.device, self.seed)
        self.branching, nodes = branching, 0
        while True:
            better = branching.step(self.proved().overlaps, self._asked(parts), self.raised)
            if better is None:
                return
            self.overlaps = better
            for _ in range(branching.tree.nodes - nodes):
                self.budget.step()
            nodes = branching.tree.nodes
            yield
