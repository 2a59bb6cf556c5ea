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
from verixplain.explanation import Overlaps
from verixplain.query import Query

WEAKER = 1e-9
"""What a claim gives away: matrix products differ in the last places between runs."""

OUT_OF_REACH = 1e20

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
    """Groups count more than others: those pairs that bounds and witnesses decide."""

    def __init__(self, query: Query, overlaps: Overlaps, ranks: Ranks) -> None:
        self.query, self.top, self.wanted = query, ranks.top, len(ranks.pairs)
        first, second = ranks.pairs[:, 0], ranks.pairs[:, 1]
        plain = overlaps.group_upper[first] < overlaps.group_lower[second]
        self.pairs = ranks.pairs[plain]
        self.possible = bool(plain.all() if self.top else plain.any())
        self.high, self.high_at = np.unique(self.pairs[:, 0], return_inverse=True)
        self.low, self.low_at = np.unique(self.pairs[:, 1], return_inverse=True)
        self.guess = overlaps.group_upper[self.high]
        self.points = overlaps.group_witness[self.low]

    def draft(self, semantics: Sequence[str]) -> Draft:
        none = np.full(len(self.low), -OUT_OF_REACH)
        upper = dict.fromkeys(semantics, self.guess)
        return self._claims(semantics, upper, dict.fromkeys(semantics, none))

    def made(self, semantics: Sequence[str], proved: Sequence[Numbers]) -> Made | None:
        upper, found = _weaker(proved[0], +1), [_weaker(one, -1) for one in proved[1:]]
        lower = {name: np.empty(len(self.low)) for name in semantics}
        for (places, _), one in zip(self._witnesses(), found, strict=True):
            for name in semantics:
                lower[name][places] = one[name]
        held = np.ones(len(self.pairs), dtype=bool)
        for name in semantics:
            held &= upper[name][self.high_at] < lower[name][self.low_at]
        if not (held.all() if self.top else held.any()):
            return None
        made = self._claims(semantics, upper, lower)
        if self.top:
            made.claim("top-k", group=np.array(self.top, np.int32))
        else:
            made.claim("order", pairs=self.pairs[held].astype(np.int32))
        whole, most = int(held.sum()) == self.wanted, bool(held.all())
        return Made(made.encoded(), made.semantics, whole, most, pairs=self.pairs[held])

    def _claims(self, semantics: Sequence[str], upper: Numbers, lower: Numbers) -> Draft:
        draft = Draft(self.query, self.query.groups.members, semantics)
        draft.claim("groups", group=self.high.astype(np.int32), upper=upper)
        rows = lower_at(self.query.network, self.points, self.query.target).argmax(axis=1)
        for places, points in self._witnesses():
            draft.claim(
                "witness",
                points=points,
                group=self.low[places].astype(np.int32),
                row=rows[places].astype(np.int32),
                lower={name: numbers[places] for name, numbers in lower.items()},
            )
        return draft

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


def _weaker(numbers: Numbers, sign: int) -> Numbers:
    return {name: one + sign * WEAKER * (1 + np.abs(one)) for name, one in numbers.items()}
