"""Assertions -> disjunctive normal form, with what bounds single inputs kept apart."""

import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import product

from verixplain.errors import UnsupportedQueryError
from verixplain.vnnlib.specification import Conjunction, Constraint, Region
from verixplain.vnnlib.syntax import Form, Text

MOST = 100_000
"""Conjunctions of one query; more is refused, not tried."""

_NUMBER = re.compile(r"-?\d+(?:\.\d*)?(?:[eE][+-]?\d{1,3})?|-?\.\d+(?:[eE][+-]?\d{1,3})?")
_COMPARISONS = ("<=", ">=", "<", ">", "==", "=", "!=")

Name = tuple[str, int]
"""A number of a tensor: "input" or "output", and its flat index."""


class Linear:
    """A linear expression over inputs and outputs."""

    __slots__ = ("constant", "terms")

    def __init__(self, terms: dict[Name, Fraction], constant: Fraction) -> None:
        self.terms, self.constant = terms, constant

    def plus(self, other: "Linear", factor: int | Fraction = 1) -> "Linear":
        """This and `factor` times the other."""
        terms = dict(self.terms)
        for name, value in other.terms.items():
            terms[name] = terms.get(name, Fraction(0)) + factor * value
        return Linear(
            {name: value for name, value in terms.items() if value},
            self.constant + factor * other.constant,
        )

    def times(self, factor: Fraction) -> "Linear":
        """This, scaled."""
        terms = {name: factor * value for name, value in self.terms.items()} if factor else {}
        return Linear(terms, factor * self.constant)


class Reader:
    """Reads the assertions of one query.

    Args:
        text: for messages.
        resolve: the number that a word stands for; None where it is no variable.
        inputs: how many inputs there are.
    """

    def __init__(
        self, text: Text, resolve: Callable[[str, Form], Name | None], inputs: int
    ) -> None:
        self.text, self.resolve, self.inputs = text, resolve, inputs

    def regions(self, assertions: Sequence[Form]) -> tuple[Region, ...]:
        """The conjunction of all assertions as regions; those with one box are one region.

        Raises:
            QueryError: an assertion is malformed, or leaves an input without bounds.
            UnsupportedQueryError: it is not linear, or has too many cases.
        """
        common: list[Constraint] = []
        choices: list[list[list[Constraint]]] = []
        total = 1
        for form in assertions:
            if len(form) != 2:
                self.text.refuse("an assertion has exactly one condition", form)
            cases = self._cases(form[1], form)
            if len(cases) == 1:
                common += cases[0]
                continue
            choices.append(cases)
            total *= len(cases)
            if total > MOST:
                self.text.refuse(f"more than {MOST:,} cases", form, unsupported=True)
        low: list[Fraction | None] = [None] * self.inputs
        high: list[Fraction | None] = [None] * self.inputs
        kept = self._narrow(low, high, common, {}, {})
        for ends, changes in ((low, kept[0]), (high, kept[1])):
            for index, end in changes.items():
                ends[index] = end
        grouped: dict[tuple, list[Conjunction]] = {}
        for picked in product(*choices):
            own = [constraint for case in picked for constraint in case]
            below, above, rest = self._narrow(low, high, own, {}, {})
            key = (tuple(sorted(below.items())), tuple(sorted(above.items())))
            grouped.setdefault(key, []).append((*kept[2], *rest))
        return tuple(
            Region(
                self._changed(low, below, "lower"), self._changed(high, above, "upper"), tuple(c)
            )
            for (below, above), c in grouped.items()
        )

    def _changed(self, ends: list, changes: tuple, which: str) -> tuple[Fraction, ...]:
        """The ends of one region's box."""
        found = list(ends)
        for index, end in changes:
            found[index] = end
        if None in found:
            raise UnsupportedQueryError(
                f"{self.text.name}: input number {found.index(None)} has no {which} bound; every "
                "input needs both, as comparisons with constants"
            )
        return tuple(found)

    def _narrow(
        self,
        lower: Sequence,
        upper: Sequence,
        constraints: Sequence[Constraint],
        low: dict[int, Fraction],
        high: dict[int, Fraction],
    ) -> tuple[dict[int, Fraction], dict[int, Fraction], list[Constraint]]:
        """The ends of the box that bounds of single inputs change, and the other constraints.

        A strict bound cuts the closed box and remains as a constraint as well.
        """
        rest = []
        for constraint in constraints:
            if constraint.outputs or len(constraint.inputs) != 1:
                rest.append(constraint)
                continue
            ((index, factor),) = constraint.inputs.items()
            end = -constraint.constant / factor
            below, above = low.get(index, lower[index]), high.get(index, upper[index])
            both = constraint.relation == "=="
            if (factor > 0 or both) and (below is None or end > below):
                low[index] = end
            if (factor < 0 or both) and (above is None or end < above):
                high[index] = end
            if constraint.relation == ">":
                rest.append(constraint)
        return low, high, rest

    def _cases(self, form: object, inside: Form) -> list[list[Constraint]]:
        """The disjunctive normal form of a condition."""
        if not isinstance(form, Form) or not form or not isinstance(form[0], str):
            self.text.refuse(f"{_shown(form)} is no condition", inside)
        operator, parts = form[0], form[1:]
        if operator in _COMPARISONS:
            return self._comparison(form)
        if operator not in ("and", "or") or not parts:
            self.text.refuse(f"{_shown(form)}: a condition is a comparison, and, or", form)
        cases = [self._cases(part, form) for part in parts]
        if operator == "or":
            return [case for found in cases for case in found]
        total = 1
        for found in cases:
            total *= len(found)
        if total > MOST:
            self.text.refuse(f"more than {MOST:,} cases", form, unsupported=True)
        return [[one for case in picked for one in case] for picked in product(*cases)]

    def _comparison(self, form: Form) -> list[list[Constraint]]:
        if len(form) != 3:
            self.text.refuse(f"{_shown(form)}: a comparison has two sides", form)
        left, right = self._linear(form[1], form), self._linear(form[2], form)
        operator = form[0]
        above, below = left.plus(right, -1), right.plus(left, -1)
        if operator in ("==", "="):
            pairs = [(above, "==")]
        elif operator == "!=":
            pairs = [(above, ">"), (below, ">")]
        else:
            pairs = [(above if operator[0] == ">" else below, ">=" if "=" in operator else ">")]
        found = []
        for difference, relation in pairs:
            constraint = _constraint(difference, relation)
            if constraint.inputs or constraint.outputs:
                found.append([constraint])
            elif constraint.holds([], []):
                return [[]]
        return found

    def _linear(self, form: object, inside: Form) -> Linear:
        if isinstance(form, str):
            if _NUMBER.fullmatch(form):
                return Linear({}, Fraction(form))
            name = self.resolve(form, inside)
            if name is None:
                self.text.refuse(f"{form!r} is no number and was not declared", inside)
            return Linear({name: Fraction(1)}, Fraction(0))
        if not isinstance(form, Form) or len(form) < 2 or not isinstance(form[0], str):
            self.text.refuse(f"{_shown(form)} is no expression", inside)
        parts = [self._linear(part, form) for part in form[1:]]
        total, operator = parts[0], form[0]
        if operator == "-" and len(parts) == 1:
            return total.times(Fraction(-1))
        for part in parts[1:]:
            if operator in ("+", "-"):
                total = total.plus(part, 1 if operator == "+" else -1)
            elif operator == "*" and not (total.terms and part.terms):
                varies, factor = (total, part) if total.terms else (part, total)
                total = varies.times(factor.constant)
            elif operator == "*":
                words = f"{_shown(form)} is not linear (POLY); linear constraints are supported"
                self.text.refuse(words, form, unsupported=True)
        if operator not in ("+", "-", "*"):
            self.text.refuse(f"{_shown(form)}: no operator {operator!r}; there are + - *", form)
        return total


def _constraint(difference: Linear, relation: str) -> Constraint:
    inputs = {index: value for (kind, index), value in difference.terms.items() if kind == "input"}
    outputs = {
        index: value for (kind, index), value in difference.terms.items() if kind == "output"
    }
    return Constraint(inputs, outputs, difference.constant, relation)


def _shown(form: object) -> str:
    """A form as text, cut where it is long."""
    words = form if isinstance(form, str) else _joined(form)
    return words if len(words) <= 60 else words[:57] + "..."


def _joined(form: object, depth: int = 0) -> str:
    if not isinstance(form, list):
        return str(form)
    inner = "..." if depth > 3 else " ".join(_joined(part, depth + 1) for part in form[:8])
    return f"({inner})"
