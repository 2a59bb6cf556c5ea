"""What a certificate has to say for a claim to be certified, and how it is written.

A draft claims numbers that need not hold, to hear what the checker can derive; the certificate
itself claims that, a little weaker.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from verixplain.attack.pgd import representable
from verixplain.bounds import lower_at
from verixplain.certificate.draft import Draft
from verixplain.certify.claim import Finding, Ranks, Stands
from verixplain.certify.order import closure
from verixplain.explanation import Overlaps
from verixplain.query import Query

WEAKER = 1e-9
"""What a claim gives away: matrix products differ in the last places between runs."""

SURE = 1e-12
"""Gains below this share of the largest may be another sign in the next run."""

OUT_OF_REACH = 1e20

MOST_PAIRS = 20_000
"""Of more pairs only those are tried for an exchange that follow from no others."""

Numbers = dict[str, np.ndarray]
"""For each semantics."""


@dataclass(frozen=True, eq=False)
class Made:
    """A certificate that nobody has checked, and what it says.

    Args:
        data: its bytes.
        semantics: what it claims.
        whole: whether it says all that was wanted.
        most: whether it says all that was hoped for.
        bounds: the number that a decision rests on, in each semantics.
        pairs: of groups, (pairs, 2).
    """

    data: bytes
    semantics: tuple[str, ...]
    whole: bool
    most: bool = True
    bounds: dict[str, float] = field(default_factory=dict)
    pairs: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), dtype=np.int64))


class Wanted(Protocol):
    """A certificate that is wanted."""

    def draft(self, semantics: Sequence[str]) -> Draft:
        """A certificate whose numbers need not hold."""
        ...

    def made(self, semantics: Sequence[str], proved: Sequence[Numbers]) -> Made | None:
        """The certificate, from what was proved of each claim of the draft; None if too little."""
        ...


def wanted(query: Query, overlaps: Overlaps | None, finding: Finding) -> Wanted | None:
    """What to certify for a finding; None where no certificate can help."""
    if finding.status not in ("estimate", "unknown", "timeout"):
        return None
    if isinstance(finding.rests_on, Stands):
        return Decision(query, finding.rests_on)
    if isinstance(finding.rests_on, Ranks) and overlaps is not None:
        ranking = Ranking(query, overlaps, finding.rests_on)
        return ranking if ranking.possible else None
    return None


class Decision:
    """The overlap is negative wherever some inputs stay at the center."""

    def __init__(self, query: Query, stands: Stands) -> None:
        self.query, self.target = query, query.target
        self.sets = [stands.frozen] if len(stands.frozen) else []
        self.rows = len(query.target.matrix(query.network.outputs)[0])

    def draft(self, semantics: Sequence[str]) -> Draft:
        guess = np.full(1 if self.sets else self.rows, -OUT_OF_REACH)
        return self._claims(semantics, dict.fromkeys(semantics, guess))

    def made(self, semantics: Sequence[str], proved: Sequence[Numbers]) -> Made | None:
        upper = _weaker(proved[0], +1)
        bounds = {name: float(numbers.max()) for name, numbers in upper.items()}
        if not all(bound < 0 for bound in bounds.values()):
            return None
        made = self._claims(semantics, upper)
        if self.target.kind == "label" and self.sets:
            made.claim("sufficient", label=self.target.label_index, group=0)
        elif self.target.kind == "label":
            made.claim("prediction", label=self.target.label_index)
        return Made(made.encoded(), made.semantics, True, bounds=bounds)

    def _claims(self, semantics: Sequence[str], upper: Numbers) -> Draft:
        draft = Draft(self.query, self.sets, semantics)
        if self.sets:
            draft.claim("groups", group=np.zeros(1, np.int32), upper=upper)
        else:
            draft.claim("bound", upper=upper)
        return draft


class Ranking:
    """Groups count more than others.

    What the checker can follow: pairs that bounds and witnesses decide, over the reals also those
    of the exchange rule, and every chain of them.
    """

    def __init__(self, query: Query, overlaps: Overlaps, ranks: Ranks) -> None:
        self.query, self.top, self.pairs = query, ranks.top, ranks.pairs
        u, v = self.pairs.T
        plain = overlaps.group_upper[u] < overlaps.group_lower[v]
        self.plain, self.traded = self.pairs[plain], self.pairs
        self.count = len(query.groups)
        self.possible = len(self.pairs) > 0
        if len(self.traded) > MOST_PAIRS:
            self.traded = np.argwhere(reduced(self._relation(self.pairs)))
        self.traded = self.traded[~_share(query, self.traded)]
        self.high, self.guess = np.unique(self.plain[:, 0]), overlaps.group_upper
        self.low = np.unique(np.concatenate([self.plain[:, 1], self.traded[:, 0]]))
        self.known = overlaps.group_lower[self.low]
        self.points = overlaps.group_witness[self.low]
        rows = lower_at(query.network, self.points, query.target)
        self.rows = rows.argmax(axis=1) if len(self.low) else np.zeros(0, np.int64)

    def draft(self, semantics: Sequence[str]) -> Draft:
        upper = dict.fromkeys(semantics, self.guess[self.high])
        lower = dict.fromkeys(semantics, self.known - 1e-6 * (1 + np.abs(self.known)))
        return self._claims(semantics, upper, lower, self.traded)

    def made(self, semantics: Sequence[str], proved: Sequence[Numbers]) -> Made | None:
        found = list(proved)
        upper = _weaker(found.pop(0), +1) if len(self.high) else {}
        lower = {name: np.empty(len(self.low)) for name in semantics}
        for places, _ in self._witnesses():
            weaker = _weaker(found.pop(0), -1)
            for name in semantics:
                lower[name][places] = weaker[name]
        above = np.ones((self.count, self.count), dtype=bool)
        for name in semantics:
            high, low = np.full(self.count, np.inf), np.full(self.count, -np.inf)
            high[self.high] = upper.get(name, ())
            low[self.low] = lower[name]
            above &= high[:, None] < low
        steps = np.zeros_like(above)
        if found:
            gained = found.pop(0)["real"]
            steps = self._relation(self.traded[gained > SURE * np.abs(gained).max()])
        follows = closure(above | steps)
        held = follows[self.pairs[:, 0], self.pairs[:, 1]]
        if not (held.all() if self.top else held.any()):
            return None
        needed = steps & ~above
        if not self.top:
            needed &= reduced(follows)
        draft = self._claims(semantics, upper, lower, np.argwhere(needed))
        if self.top:
            draft.claim("top-k", group=np.array(self.top, np.int32))
        else:
            draft.claim("order", pairs=self.pairs[held].astype(np.int32))
        whole = bool(held.all())
        return Made(draft.encoded(), draft.semantics, whole, whole, pairs=self.pairs[held])

    def _claims(
        self, semantics: Sequence[str], upper: Numbers, lower: Numbers, traded: np.ndarray
    ) -> Draft:
        draft = Draft(self.query, self.query.groups.members, semantics)
        if len(self.high):
            draft.claim("groups", group=self.high.astype(np.int32), upper=upper)
        for places, points in self._witnesses():
            draft.claim(
                "witness",
                points=points,
                group=self.low[places].astype(np.int32),
                row=self.rows[places].astype(np.int32),
                lower={name: numbers[places] for name, numbers in lower.items()},
            )
        if len(traded) and tuple(semantics) == ("real",):
            draft.claim("exchange", pairs=traded.astype(np.int32))
        return draft

    def _relation(self, pairs: np.ndarray) -> np.ndarray:
        found = np.zeros((self.count, self.count), dtype=bool)
        found[pairs[:, 0], pairs[:, 1]] = True
        return found

    def _witnesses(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Which witnesses, and their points: in a byte an input for corners, else in float32."""
        box, points = self.query.box, self.points.reshape(len(self.points), -1)
        low, high = representable(box.lower.ravel(), box.upper.ravel(), np.float32)
        codes = np.full(points.shape, 3, np.uint8)
        for code, ends in ((0, low), (2, high), (1, box.center.ravel())):
            codes[points == ends] = code
        corner = (codes < 3).all(axis=1)
        parts = [
            (np.flatnonzero(corner), codes[corner]),
            (np.flatnonzero(~corner), points[~corner].astype(np.float32)),
        ]
        return [(places, numbers) for places, numbers in parts if len(places)]


def reduced(above: np.ndarray) -> np.ndarray:
    """The pairs of a transitive relation that follow from no two others."""
    number = above.astype(np.float32)
    return above & ~(number @ number > 0)


def _share(query: Query, pairs: np.ndarray) -> np.ndarray:
    """Pairs of groups with an input in common."""
    members = [set(group.tolist()) for group in query.groups.members]
    return np.array([not members[u].isdisjoint(members[v]) for u, v in pairs], dtype=bool)


def _weaker(numbers: Numbers, sign: int) -> Numbers:
    return {name: one + sign * WEAKER * (1 + np.abs(one)) for name, one in numbers.items()}
