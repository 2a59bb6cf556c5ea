"""What a certificate has to say for a claim to be certified, and how it is written.

A draft claims numbers that need not hold, to hear what the checker can derive; the certificate
itself claims that, a little weaker.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from verixplain.certificate.draft import Draft, Way
from verixplain.explanation import Overlaps

WEAKER = 1e-9
"""What a claim gives away: matrix products differ in the last places between runs."""

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
        overlaps: the enclosures of box and groups, where it is about them.
    """

    data: bytes
    semantics: tuple[str, ...]
    whole: bool
    most: bool = True
    bounds: dict[str, float] = field(default_factory=dict)
    pairs: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), dtype=np.int64))
    overlaps: Overlaps | None = None


class Wanted(Protocol):
    """A certificate that is wanted."""

    def takes(self, way: Way) -> bool:
        """Whether this way may help."""
        ...

    def draft(self, way: Way) -> Draft:
        """A certificate whose numbers need not hold."""
        ...

    def made(self, way: Way, proved: Sequence[Numbers]) -> Made | None:
        """The certificate, from what was proved of each claim of the draft; None if too little."""
        ...


def slack(numbers: np.ndarray) -> np.ndarray:
    """By how much claimed numbers are weaker than those that the checker derived."""
    return WEAKER * (1 + np.abs(numbers))
