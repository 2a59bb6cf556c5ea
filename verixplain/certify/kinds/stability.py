"""The order is the same at every input near the one explained."""

from collections.abc import Iterator
from decimal import ROUND_CEILING, ROUND_FLOOR
from typing import Any

import numpy as np

from verixplain.certify.claim import (
    Finding,
    Proved,
    Ranks,
    Task,
    claim_kinds,
    group_numbers,
    in_words,
    numbers,
    replayed,
)
from verixplain.certify.flip import Flip, flipped
from verixplain.certify.stability import Stability, data_range, offsets
from verixplain.certify.topk import top_k
from verixplain.errors import SettingError, SoundnessAlarm
from verixplain.query import Query

_CLOSE = 0.05
"""The search for the largest shift ends when its ends are so near, relatively."""
_LEAST = 2.0**-16
"""The smallest shift that it tries, in parts of the box's radius."""


@claim_kinds.add
class StabilityClaim:
    """The pairs decided at the input hold at every input of the data range within the shift.

    Written `stability`, `stability:order`, `stability:top-k:K` or `stability:pair:U,V`. The shift
    `max` looks for the largest that is proved, and for one at which an attack finds an input where
    a pair is not so; of an order it takes the pairs that it can prove at all. (Faces have no part
    in it, so a pair that needed them is not proved anywhere near either.)

    Args:
        words: which pairs.
        shift: how far each number of the input may be off, in the model's units, or `max`.
    """

    certified_by = (("order",), ("top-k",))
    options = ("shift",)
    explained_by = None
    needs_order = True

    def __init__(self, words: str, shift: str | float | None = None) -> None:
        if shift is None:
            raise SettingError("the claim stability needs --shift: a number, or max")
        self.of, _, rest = (words or "order").partition(":")
        if self.of == "order" and not rest:
            self.numbers = []
        elif self.of == "top-k":
            self.numbers = numbers(rest, 1, "stability:top-k:K")
        elif self.of == "pair":
            self.numbers = numbers(rest, 2, "stability:pair:U,V")
        else:
            raise SettingError(f"stability is of order, top-k:K or pair:U,V, not of {words!r}")
        self.shift = None if shift == "max" else _length(shift)
        self.parameters = {"of": words or "order", "shift": shift}

    def prove(self, task: Task) -> Iterator[Finding]:
        """What is known, after every shift that was looked at."""
        if task.proved is None:
            raise SettingError("stability needs the order at the input")
        asked = self._asked(task.query, task.proved)
        if not asked.any():
            yield Finding("unknown", "no pair of groups is decided at the input itself")
            return
        search = _Search(task, task.proved, asked, self.of)
        yield from search.largest() if self.shift is None else search.at(self.shift)

    def _asked(self, query: Query, proved: Proved) -> np.ndarray:
        """The pairs that the claim is about."""
        count = len(query.groups)
        asked = np.zeros((count, count), dtype=bool)
        if self.of == "order":
            return proved.order.above
        group_numbers(query, *self.numbers if self.of == "pair" else ())
        if self.of == "pair":
            asked[self.numbers[0], self.numbers[1]] = True
            return asked
        members = np.array(top_k(proved.order, proved.scores, self.numbers[0]).members)
        asked[np.ix_(members, np.setdiff1d(np.arange(count), members))] = True
        return asked


def _length(shift: str | float) -> float:
    try:
        found = float(shift)
    except ValueError:
        found = -1.0
    if not 0 <= found < np.inf:
        raise SettingError(f"the shift is a number that is not negative, or max; not {shift!r}")
    return found


class _Search:
    """Proofs and attacks for one set of pairs, at one shift after the other."""

    def __init__(self, task: Task, proved: Proved, asked: np.ndarray, of: str) -> None:
        self.task, self.proved, self.asked, self.of = task, proved, asked, of
        self.proof = Stability(task.query, proved.overlaps.group_witness, task.method.device)
        self.shown: float | None = None
        self.held = self.left_out = 0
        self.tried = 0.0
        self.flip: Flip | None = None

    def at(self, shift: float) -> Iterator[Finding]:
        """One shift: a proof, else an attack."""
        if not self._proved(shift):
            self._attack(shift)
        yield self._finding(shift)

    def largest(self) -> Iterator[Finding]:
        """Ever larger shifts, then halves of what is between the proved and the unproved."""
        if self.of == "order":
            decided, self.asked = self.asked, self.asked & self._above(0.0)
            self.left_out = int((decided & ~self.asked).sum())
            if not self.asked.any():
                yield self._finding(None)
                return
        low, high = offsets(self.task.query.box)
        radius = float(np.maximum(-low, high).max())
        least, most = data_range(self.task.query.box)
        top = min(float((most - least).max()), 2.0**10 * radius)
        failed, shift = None, radius / 8
        while failed is None or failed - (self.shown or 0.0) > _CLOSE * failed:
            if self._proved(shift):
                if shift >= top:
                    break
            else:
                failed = shift
            yield self._finding(self.shown)
            if self.task.budget.over() or (failed is not None and failed < _LEAST * radius):
                break
            middle = ((self.shown or 0.0) + failed) / 2 if failed is not None else 2 * shift
            shift = float(f"{min(middle, top):.3g}")
        shift = failed or top
        while self.flip is None and shift <= top and not self.task.budget.over():
            self._attack(shift)
            yield self._finding(self.shown)
            shift *= 2

    def _proved(self, shift: float) -> bool:
        """Whether every pair asked for holds at every input within the shift."""
        self.held = int(self._above(shift)[self.asked].sum())
        if self.held < self.asked.sum():
            return False
        if self.shown is None or shift > self.shown:
            self.shown = shift
        self._consistent()
        return True

    def _above(self, shift: float) -> np.ndarray:
        return self.proof.above(shift, self.asked, self.task.budget.step)

    def _attack(self, shift: float) -> None:
        """Look for an input within the shift where a pair is not as asked."""
        self.flip = flipped(
            self.task.query, self.asked, shift, self.task.method, self.task.budget.step
        )
        self.tried = max(self.tried, shift)
        self._consistent()

    def _consistent(self) -> None:
        if self.flip and self.shown is not None and self.flip.shift <= self.shown:
            raise SoundnessAlarm(
                f"the order is proved up to a shift of {self.shown!r}, but an input "
                f"{self.flip.shift!r} away has another"
            )

    def _finding(self, shift: float | None) -> Finding:
        """In words; `shift` is the one that is claimed, None where none is."""
        pairs, shown, flip = int(self.asked.sum()), self.shown, self.flip
        details: dict[str, Any] = {
            "pairs": pairs,
            "held": self.held,
            "left_out": self.left_out,
            "r_estimate": shown,
            "r_attacked": flip and flip.shift,
            "r_tried": self.tried or shown,
        }
        what = f"{pairs} pairs of groups ({self.of}) are in the same order at every input"
        if shown is not None and shift is not None and shown >= shift:
            overlap = self.proof.decision(shown)
            details |= {"decision_overlap": overlap, "decision_stable": overlap < 0}
            low = in_words(shown, ROUND_FLOOR)
            high = (
                in_words(flip.shift, ROUND_CEILING)
                if flip
                else f">= {in_words(self.tried or shown, ROUND_FLOOR)}"
            )
            statement = f"{what} within {low}; [{low}, {high}]"
            rests_on = Ranks(np.argwhere(self.asked), shift=shown)
            return Finding("estimate", statement, shown, details=details, rests_on=rests_on)
        statement = what + (f" within {shift:.6g}" if shift is not None else "")
        if self.flip is None:
            statement += f"; {self.held} of them hold at the last shift looked at"
        if flip is None or shift is None:
            return Finding("unknown", statement, details=details)
        value = replayed(self.task.query, flip.witness)
        details |= {"replayed": value, "pair": [flip.u, flip.v]}
        status = "refuted" if value >= flip.bound else "unknown"
        arrays = flip.arrays(self.task.query)
        return Finding(status, statement, flip.bound, details=details, arrays=arrays)
