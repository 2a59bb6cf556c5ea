"""At which radius a map still tells groups apart, and the decision is still proved."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from verixplain.attribution.eva import EVA
from verixplain.certify.order import decided
from verixplain.errors import SettingError, SoundnessAlarm
from verixplain.query import Query


@dataclass(frozen=True)
class Radius:
    """What the map says at one radius; overlaps are in logits.

    Args:
        radius: in the units asked.
        lower, upper: enclosure of the overlap in the box.
        width: mean width of the groups' enclosures.
        spread: difference of the largest and the smallest upper bound of a group.
        pairs, decided: pairs of groups, and those that are ordered.
        prediction: `estimate` (the decision is proved to stand), `refuted` or `unknown`.
        seconds: what it took.
    """

    radius: float
    lower: float
    upper: float
    width: float
    spread: float
    pairs: int
    decided: int
    prediction: str
    seconds: float


def radii_named(words: str) -> list[float]:
    """The radii that `FIRST:LAST:COUNT` stands for, each the same factor above the one before.

    Raises:
        SettingError: something else.
    """
    parts = words.split(":")
    try:
        first, last, count = float(parts[0]), float(parts[1]), int(parts[2])
    except (ValueError, IndexError):
        first, last, count = 0.0, 0.0, 0
    if len(parts) != 3 or not 0 < first < last < np.inf or count < 2:
        raise SettingError(
            f"radii are written FIRST:LAST:COUNT with 0 < FIRST < LAST, as in 0.001:0.1:10, "
            f"not {words!r}"
        )
    return [float(f"{radius:.6g}") for radius in np.geomspace(first, last, count)]


def sweep(
    query_at: Callable[[float], Query],
    radii: Iterable[float],
    method: EVA | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Iterator[Radius]:
    """Enclosures, and the order that they and the exchange rule give, radius after radius.

    Args:
        query_at: the query at a radius.
        radii: to look at.
        method: bounds and attack; by default EVA's.
        progress: told how far bounds and attack are.

    Raises:
        SoundnessAlarm: what is proved at a radius is refuted at a smaller one.
    """
    method, refuted = method or EVA(), np.inf
    for radius in radii:
        begin, query = time.perf_counter(), query_at(radius)
        overlaps = method.explain(query, progress).overlaps
        if overlaps is None:
            raise SettingError("sampled bounds prove nothing; leave --engine hybrid out")
        order, _ = decided(query, overlaps, method.device)
        prediction = "estimate" if overlaps.upper < 0 else "unknown"
        if overlaps.lower >= 0:
            prediction, refuted = "refuted", min(refuted, radius)
        if prediction == "estimate" and refuted < radius:
            raise SoundnessAlarm(f"proved at {radius}, but refuted at {refuted}")
        yield Radius(
            radius=radius,
            lower=overlaps.lower,
            upper=overlaps.upper,
            width=float((overlaps.group_upper - overlaps.group_lower).mean()),
            spread=float(np.ptp(overlaps.group_upper)),
            pairs=order.pairs,
            decided=order.decided,
            prediction=prediction,
            seconds=time.perf_counter() - begin,
        )


def recommendation(found: Sequence[Radius]) -> str:
    """Which radius to explain with, in a sentence or two."""
    best = max(found, key=lambda one: (one.decided, one.radius))
    proved = [one.radius for one in found if one.prediction == "estimate"]
    if not best.decided:
        words = "No radius here orders a single pair: use smaller ones, or branch and bound."
    else:
        most = [one.radius for one in found if 2 * one.decided >= best.decided]
        words = (
            f"Use about {best.radius:g}: most pairs are ordered there "
            f"({best.decided} of {best.pairs}). "
        )
        if max(most) < max(one.radius for one in found):
            words += f"Above {max(most):g} fewer than half as many are, and maps say little."
        else:
            words += "At no larger radius here does it fall below half of that."
    if proved:
        return f"{words} The decision is proved to stand up to {max(proved):g}."
    return f"{words} The decision is proved at no radius here."
