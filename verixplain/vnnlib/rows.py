"""A region's constraints as arrays, rounded in the direction that is safe for each use."""

from collections.abc import Sequence
from fractions import Fraction
from math import lcm

import numpy as np

from verixplain.errors import UnsupportedQueryError
from verixplain.vnnlib.specification import Constraint, Region

UNIT = 2.0**-53


def down(value: Fraction) -> float:
    """The largest float64 that is not above `value`."""
    found = _nearest(value)
    return found if Fraction(found) <= value else float(np.nextafter(found, -np.inf))


def up(value: Fraction) -> float:
    """The smallest float64 that is not below `value`."""
    found = _nearest(value)
    return found if Fraction(found) >= value else float(np.nextafter(found, np.inf))


def _nearest(value: Fraction) -> float:
    try:
        return float(value)
    except OverflowError:
        raise UnsupportedQueryError(f"a number beyond float64: about 1e{_digits(value)}") from None


def _digits(value: Fraction) -> int:
    return len(str(abs(value.numerator))) - len(str(value.denominator))


class Rows:
    """The constraints of one region, numbered, each once.

    Args:
        region: the region.
        inputs, outputs: how many numbers the network takes and gives.

    Attributes:
        coefficients: (rows, outputs), exact.
        conjunctions: the row numbers of each.
        constant: (rows,), whether the output does not matter.
        lower, upper: the box, rounded outward.
    """

    def __init__(self, region: Region, inputs: int, outputs: int) -> None:
        numbers: dict[tuple, int] = {}
        constraints: list[Constraint] = []
        self.conjunctions: list[list[int]] = []
        for conjunction in region.unsafe:
            rows = []
            for one in conjunction:
                key = (
                    tuple(sorted(one.inputs.items())),
                    tuple(sorted(one.outputs.items())),
                    one.constant,
                    one.relation,
                )
                if key not in numbers:
                    numbers[key] = len(constraints)
                    constraints.append(one)
                rows.append(numbers[key])
            self.conjunctions.append(rows)
        count = len(constraints)
        self.coefficients = np.zeros((count, outputs))
        self.on_inputs = np.zeros((count, inputs)) if any(c.inputs for c in constraints) else None
        below, above = [], []
        for row, constraint in enumerate(constraints):
            factor = _clearing([*constraint.inputs.values(), *constraint.outputs.values()])
            for place, value in constraint.outputs.items():
                self.coefficients[row, place] = _exact(value * factor)
            for place, value in constraint.inputs.items():
                self.on_inputs[row, place] = _exact(value * factor)  # type: ignore[index]
            below.append(down(-constraint.constant * factor))
            above.append(up(-constraint.constant * factor))
        self.below, self.above = np.array(below), np.array(above)
        self.constant = ~self.coefficients.any(axis=1) if count else np.zeros(0, dtype=bool)
        self.strict = np.array([c.relation == ">" for c in constraints], dtype=bool)
        self.equal = np.array([c.relation == "==" for c in constraints], dtype=bool)
        self.lower = np.array([down(end) for end in region.lower])
        self.upper = np.array([up(end) for end in region.upper])

    def __len__(self) -> int:
        return len(self.coefficients)

    def on_box(
        self, lower: np.ndarray, upper: np.ndarray, low: np.ndarray, high: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Add what the inputs contribute to bounds of the rows, rounded outward.

        Args:
            lower, upper: bounds of `coefficients . output`, (boxes, rows).
            low, high: the boxes, (boxes, inputs).
        """
        if self.on_inputs is None:
            return lower, upper
        plus, minus = self.on_inputs.clip(min=0), self.on_inputs.clip(max=0)
        magnitude = np.maximum(np.abs(low), np.abs(high)) @ np.abs(self.on_inputs).T
        slack = 4 * (self.on_inputs.shape[1] + 2) * UNIT * magnitude + np.finfo(float).tiny
        below, above = low @ plus.T + high @ minus.T, high @ plus.T + low @ minus.T
        plain = np.abs(self.on_inputs).sum(axis=1) <= 1  # nothing is rounded there
        exact = (
            self.constant & plain & ((self.on_inputs == 0) | (np.abs(self.on_inputs) == 1)).all(1)
        )
        none = ~self.on_inputs.any(axis=1)
        wide_below = np.nextafter(lower + np.nextafter(below - slack, -np.inf), -np.inf)
        wide_above = np.nextafter(upper + np.nextafter(above + slack, np.inf), np.inf)
        return (
            np.where(none, lower, np.where(exact, below, wide_below)),
            np.where(none, upper, np.where(exact, above, wide_above)),
        )

    def excluded(self, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
        """Which constraints hold nowhere in a box, given bounds of their rows: (boxes, rows)."""
        never = np.where(self.strict, upper <= self.below, upper < self.below)
        return never | (self.equal & (lower > self.above))

    def included(self, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
        """Which constraints hold everywhere in a box: (boxes, rows)."""
        always = np.where(self.strict, lower > self.above, lower >= self.above)
        return np.where(self.equal, always & (upper <= self.below), always)

    def all_of(self, rows: np.ndarray) -> np.ndarray:
        """Per conjunction, whether every row of it is marked: (boxes, conjunctions)."""
        return np.stack([rows[:, members].all(axis=1) for members in self.conjunctions], axis=1)

    def any_of(self, rows: np.ndarray) -> np.ndarray:
        """Per conjunction, whether some row of it is marked: (boxes, conjunctions)."""
        return np.stack([rows[:, members].any(axis=1) for members in self.conjunctions], axis=1)


def _clearing(values: Sequence[Fraction]) -> int:
    """What makes every coefficient a whole number, or 1 where they are exact as they are."""
    if all(Fraction(_nearest(value)) == value for value in values):
        return 1
    return lcm(*(value.denominator for value in values))


def _exact(value: Fraction) -> float:
    found = _nearest(value)
    if Fraction(found) != value:
        raise UnsupportedQueryError(
            f"a coefficient has too many digits for float64 (about {found:.17g})"
        )
    return found
