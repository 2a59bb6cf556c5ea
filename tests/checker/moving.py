"""Boxes of all inputs near the center, against exact rationals."""

from collections.abc import Iterator
from fractions import Fraction
from importlib import import_module

import numpy as np


def wrong_regions(package: str, seed: int, count: int) -> Iterator[str]:
    """Inputs x' whose box is not where `Region.around` of `package` says."""
    region = import_module(f"{package}.regions").Region
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        scale = 10.0 ** rng.integers(-6, 7)
        center = scale * rng.standard_normal(6)
        fall, rise, shift, less, more = rng.random((5, 6)) * 10.0 ** rng.integers(-9, 1, (5, 6))
        fall[0] = rise[1] = shift[2] = less[3] = more[4] = 0.0
        limits = center - less, center + more
        made = region.around(center, (-fall, rise), limits, shift, np.ones((6, 1)))
        for place in range(6):
            numbers = (a[place] for a in (center, -fall, rise, *limits, shift))
            if not _holds(made, place, *map(Fraction, map(float, numbers))):
                yield f"{number}: input {place}"


def _holds(made, place: int, center, fall, rise, least, most, shift) -> bool:
    """Whether one input's ends are right at both ends of where x' may be, and at the center."""

    def ends(pair) -> tuple[Fraction, Fraction]:
        return Fraction(float(pair[0][place])), Fraction(float(pair[1][place]))

    for x in (max(center - shift, least), center, min(center + shift, most)):
        low, high = max(x + fall, least), min(x + rise, most)
        hull, still, sure, room, step = map(
            ends, ((made.lower, made.upper), made.still, made.sure, made.room, made.step)
        )
        fine = hull[0] <= low and high <= hull[1] and still[0] <= x <= still[1]
        fine = fine and (sure[0] > sure[1] or (low <= sure[0] and sure[1] <= high))
        fine = fine and room[0] <= low - x and high - x <= room[1]
        if not (fine and low - x <= step[0] <= 0 <= step[1] <= high - x):
            return False
    return True
