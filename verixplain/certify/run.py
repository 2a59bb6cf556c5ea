"""Claims about one query, proved as far as the budget goes.

Stages: bounds and attack (an EVA explanation), the exchange rule, faces. After each the claims
are asked; what was proved stays, however the run ends.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from verixplain.attribution.eva import EVA
from verixplain.certify.budget import Budget
from verixplain.certify.claim import Finding, Proved, claim_named
from verixplain.certify.exchange import Raised, exchange
from verixplain.certify.faces import Faces
from verixplain.certify.order import closure, order
from verixplain.certify.topk import top_k
from verixplain.errors import OutOfMemoryError, SettingError, SoundnessAlarm, UnsupportedBoundError
from verixplain.explanation import Explanation, Order, Overlaps
from verixplain.query import Query


@dataclass(frozen=True, eq=False)
class Certified:
    """What a run proved.

    Args:
        explanation: the scores, with the best enclosures and order.
        claims: kind, parameters and finding of every claim asked for.
        stopped_by: `settled`, `budget`, `exhausted` or `interrupted`.
        seconds, nodes: what was spent.
    """

    explanation: Explanation
    claims: tuple[tuple[str, dict, Finding], ...]
    stopped_by: str
    seconds: float
    nodes: int


def certify(
    query: Query,
    claims: Sequence[str],
    method: EVA | None = None,
    *,
    budget: str = "",
    progress: Callable[[str, int, int], None] | None = None,
) -> Certified:
    """Prove or refute claims.

    Args:
        query: network, box, target and groups.
        claims: each `KIND[:PARAMETERS]`.
        method: bounds and attack; by default EVA's.
        budget: `60s`, `500nodes`, or "" for no limit.
        progress: told how far bounds and attack are.

    Raises:
        SoundnessAlarm: numbers that contradict each other.
        SettingError: a claim or budget that is none.
    """
    spent, method = Budget(budget), method or EVA()
    if method.engine == "hybrid":
        raise SettingError("sampled bounds prove nothing; leave --engine hybrid out")
    asked = [claim_named(words) for words in claims]
    explanation = method.explain(query, progress)
    if explanation.overlaps is None:
        raise SettingError(f"{explanation.method} bounds nothing")
    run = _Run(query, explanation.overlaps, spent, method.device)

    def judged() -> list[Finding]:
        proved = run.proved(explanation.group_scores)
        return [kind.judge(proved) for _, kind in asked]

    stopped = "exhausted"
    try:
        found = judged()
        for stage in (run.exchange, run.faces):
            if all(one.status != "unknown" for one in found):
                break
            if spent.over():
                break
            try:
                stage(lambda: all(one.status != "unknown" for one in judged()))
            except (UnsupportedBoundError, OutOfMemoryError) as error:
                run.notes.append(f"{stage.__name__} rule left out: {error}")
            found = judged()
        if all(one.status != "unknown" for one in found):
            stopped = "settled"
        elif spent.over():
            stopped = "budget"
    except KeyboardInterrupt:
        found, stopped = judged(), "interrupted"
    if stopped == "budget":
        found = [replace(f, status="timeout") if f.status == "unknown" else f for f in found]
    proved = run.proved(explanation.group_scores)
    k = min(3, len(query.groups))
    explanation = replace(
        explanation,
        overlaps=proved.overlaps,
        order=proved.order,
        top_k=top_k(proved.order, explanation.group_scores, k),
        timing={**explanation.timing, "total": spent.spent},
        notes=(*explanation.notes, *run.notes),
    )
    results = [(kind, part.parameters, f) for (kind, part), f in zip(asked, found, strict=True)]
    return Certified(explanation, tuple(results), stopped, spent.spent, spent.nodes)


class _Run:
    """The proofs about one query, growing."""

    def __init__(self, query: Query, overlaps: Overlaps, budget: Budget, device: str) -> None:
        self.query, self.overlaps, self.budget, self.device = query, overlaps, budget, device
        self.raised: Raised | None = None
        self.box_upper: np.ndarray | None = None
        self.notes: list[str] = []

    def proved(self, scores: np.ndarray) -> Proved:
        """What follows from everything up to now."""
        overlaps = self.overlaps
        above = order(overlaps).above
        if self.raised is not None:
            upper = np.minimum(overlaps.group_upper, self.raised.row_upper.max(axis=0))
            whole = overlaps.upper
            if self.box_upper is not None:
                whole = min(whole, float(self.box_upper.max()))
            if not ((overlaps.group_lower <= upper).all() and overlaps.lower <= whole):
                raise SoundnessAlarm("a witness lies above a bound on a face")
            overlaps = replace(
                overlaps, upper=whole, group_upper=upper, row_upper=self.raised.row_upper
            )
            above = above | order(overlaps).above | self.raised.above()
        return Proved(self.query, scores, overlaps, Order(closure(above)))

    def exchange(self, settled: Callable[[], bool]) -> None:
        """The exchange rule over the whole box."""
        self.raised = exchange(self.query, self.overlaps, device=self.device, stop=self.budget.step)

    def faces(self, settled: Callable[[], bool]) -> None:
        """Faces of one row after the other, until the claims are settled."""
        if self.raised is None:
            return
        faces = Faces(self.query, self.overlaps, self.device)
        self.box_upper = faces.box_upper
        for row in self.raised.asked():
            faces.row(row, self.raised, self.budget.step)
            if self.budget.over() or settled():
                return
