"""What an explanation says: frozen values, without a method or a picture in them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from verixplain.errors import NotFiniteError
from verixplain.query import Query

GUARANTEES = ("certified", "estimate", "empirical", "none")
"""From the strongest to the weakest: checked by the independent checker; sound bounds that
nothing has checked; sampled numbers; no claim at all."""

STATUSES = (
    "certified",
    "estimate",
    "refuted",
    "unknown",
    "timeout",
    "out-of-memory",
    "unsupported",
    "error",
    "not-run",
)
"""What a claim can be; none is ever merged with another."""


@dataclass(frozen=True, eq=False)
class Overlaps:
    """Adversarial overlaps, enclosed: `lower <= AO <= upper` over the reals.

    Args:
        lower, upper: of the whole box B.
        group_lower, group_upper: of every B_u, (groups,).
        witness: the best point found in B, in the input's shape.
        group_witness: the best point found in every B_u, (groups, *input shape).
        row_upper: upper bounds of every row over every B_u, (rows, groups), where they were kept.
        box_row_upper: upper bounds of every row over B, (rows,), where they were kept.
        intervals: rigorous intervals over B of the values that bounds relaxed, by their names in
            the network's plan, where they were kept.
    """

    lower: float
    upper: float
    group_lower: np.ndarray
    group_upper: np.ndarray
    witness: np.ndarray
    group_witness: np.ndarray
    row_upper: np.ndarray | None = None
    box_row_upper: np.ndarray | None = None
    intervals: Mapping[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("lower", "upper", "group_lower", "group_upper"):
            if not np.isfinite(getattr(self, name)).all():
                raise NotFiniteError(f"overlap {name} is NaN or infinite")


@dataclass(frozen=True, eq=False)
class Order:
    """Which groups provably count more than which: `above[u, v]` means I(u) > I(v).

    Args:
        above: the decided pairs.
        checked: those of them whose certificate the independent checker accepted.
    """

    above: np.ndarray
    checked: np.ndarray | None = None

    @property
    def certified(self) -> int:
        """Decided pairs whose certificate was accepted."""
        return 0 if self.checked is None else int(self.checked.sum())

    @property
    def status(self) -> str:
        """What every decided pair is at least: `estimate` until all were accepted."""
        return "certified" if 0 < self.decided == self.certified else "estimate"

    @property
    def pairs(self) -> int:
        """Pairs of different groups."""
        count = len(self.above)
        return count * (count - 1) // 2

    @property
    def decided(self) -> int:
        """Pairs of which one member provably counts more."""
        return int(self.above.sum())

    def to_dict(self) -> dict[str, int]:
        """Counts, as they stand everywhere."""
        return {
            "pairs": self.pairs,
            "certified": self.certified,
            "estimate": self.decided - self.certified,
            "undecided": self.pairs - self.decided,
        }


@dataclass(frozen=True)
class TopK:
    """The claim that `members` (group numbers) are the `k` most important groups."""

    k: int
    status: str
    members: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        return {"k": self.k, "status": self.status, "members": list(self.members)}


@dataclass(frozen=True, eq=False)
class Explanation:
    """Scores of every group, and for verified methods what they are enclosed in.

    Args:
        query: what was asked.
        method: name of the method, and its `settings`.
        guarantee: one of `GUARANTEES`, the weakest word its numbers rest on.
        group_scores: (groups,), in units of the target's margin (logits) unless the method
            says otherwise; larger counts more.
        bound: name of the bound method, "" where none is used.
        engine: how the groups were bounded, "" where none was.
        rows_evaluated: margin rows that were bounded for single groups.
        overlaps: enclosures of the adversarial overlaps, where the method proves them.
        order, top_k: what follows from the enclosures.
        map: scores of every single input, in the input's shape, where the method has them.
        arrays: what else belongs to the scores (the noise drawn, a boundary point), by name.
        tree: how far branch and bound went, where a claim went that far: `nodes` split, `leaves`
            that cover the box, and `stopped_by`.
        timing: seconds by stage; `total` is always there.
        notes: whatever a reader must know: what was stripped, skipped, repaired.
    """

    query: Query
    method: str
    guarantee: str
    group_scores: np.ndarray
    settings: Mapping[str, Any] = field(default_factory=dict)
    bound: str = ""
    engine: str = ""
    rows_evaluated: int | None = None
    overlaps: Overlaps | None = None
    order: Order | None = None
    top_k: TopK | None = None
    map: np.ndarray | None = None
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    tree: Mapping[str, Any] | None = None
    timing: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not np.isfinite(self.group_scores).all():
            raise NotFiniteError(f"a score of {self.method} is NaN or infinite")
        if self.map is not None and not np.isfinite(self.map).all():
            raise NotFiniteError(f"the map of {self.method} has NaN or infinite numbers")

    @property
    def scores(self) -> np.ndarray:
        """Scores in the input's shape; NaN for inputs of no group."""
        return self.map if self.map is not None else self.query.groups.spread(self.group_scores)

    @property
    def group_lower(self) -> np.ndarray | None:
        """Lower ends of the true importances `AO(B) - AO(B_u)`, (groups,)."""
        if self.overlaps is None:
            return None
        return np.maximum(0.0, _down(self.overlaps.lower - self.overlaps.group_upper))

    @property
    def group_upper(self) -> np.ndarray | None:
        """Upper ends of the true importances, (groups,)."""
        if self.overlaps is None:
            return None
        return np.maximum(0.0, _up(self.overlaps.upper - self.overlaps.group_lower))

    @property
    def lower(self) -> np.ndarray | None:
        """`group_lower` in the input's shape."""
        found = self.group_lower
        return None if found is None else self.query.groups.spread(found)

    @property
    def upper(self) -> np.ndarray | None:
        """`group_upper` in the input's shape."""
        found = self.group_upper
        return None if found is None else self.query.groups.spread(found)

    @property
    def prediction(self) -> np.ndarray:
        """The network's outputs at the input, (outputs,)."""
        return self.query.network(self.query.box.center[None])[0]

    def to_dict(self) -> dict[str, Any]:
        """The explanation as `explanation.json` has it."""
        from verixplain.report.json import explanation_dict

        return explanation_dict(self)

    def _repr_html_(self) -> str:
        from verixplain.report.html import explanation_table

        return explanation_table(self)


def _down(values: np.ndarray) -> np.ndarray:
    return np.nextafter(values, -np.inf)


def _up(values: np.ndarray) -> np.ndarray:
    return np.nextafter(values, np.inf)
