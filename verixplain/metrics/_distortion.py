"""How little some inputs must move until the decision falls, from below and from above."""

from dataclasses import dataclass

import numpy as np

from verixplain.attack.distortion import Freed
from verixplain.attack.pgd import PGD
from verixplain.attribution._base import at_least
from verixplain.bounds import bound
from verixplain.errors import (
    BoundFailedError,
    OutOfMemoryError,
    SettingError,
    UnsupportedBoundError,
    UnsupportedOperatorError,
)
from verixplain.metrics._base import Measured, Metric, Sample

NOT_BOUNDED = (
    UnsupportedBoundError, UnsupportedOperatorError, BoundFailedError, OutOfMemoryError,
)  # fmt: skip


@dataclass(frozen=True)
class Distortion(Metric):
    """Smallest L-infinity move of the inputs that are free at which the decision falls.

    The number is the mean over `shares` of the smallest radius that an attack finds, where the
    free inputs may move by it within the data range; a radius above `largest` counts as that.
    Beside it stands the mean of the radii within which bounds show that the decision stands.

    Args:
        shares: of the ranked groups that are taken, with commas between.
        largest: radius tried first, in the model's units; by default the width of the card's data
            range, or 1 without one.
        steps, restarts, seed: of the attack (PGD) at every radius.
        rounds: how often a radius is halved.
        bound: bound method, or "none" to prove nothing.
    """

    shares: str = "0.1,0.2,0.3"
    largest: float | None = None
    steps: int = 20
    restarts: int = 4
    seed: int = 0
    rounds: int = 6
    bound: str = "crown"

    kind = "robustness"
    unit = "L-infinity radius in the model's units"
    range = (0.0, float("inf"))
    looks_at = "logits"

    frees_best = True
    """Whether the best groups may move and the rest is held, or the other way."""

    def __post_init__(self) -> None:
        self.parsed_shares()
        at_least("rounds", self.rounds, 1)
        PGD(self.steps, self.restarts, self.seed)
        if self.largest is not None and not self.largest > 0:
            raise SettingError(f"largest must be above 0, not {self.largest!r}")

    def parsed_shares(self) -> list[float]:
        """The shares as numbers.

        Raises:
            SettingError: they are none.
        """
        try:
            found = [float(part) for part in str(self.shares).split(",")]
        except ValueError:
            found = []
        if not found or not all(0 < one < 1 for one in found):
            raise SettingError(
                f"shares are {self.shares!r}; give numbers between 0 and 1 as 0.1,0.2"
            )
        return found

    def measure(self, sample: Sample) -> Measured:
        query, shares = sample.explanation.query, self.parsed_shares()
        free = np.zeros((len(shares), query.box.center.size), dtype=bool)
        for row, part in zip(free, shares, strict=True):
            taken = sample.ranked[: max(1, round(part * len(query.groups)))]
            row[np.concatenate([query.groups.members[group] for group in taken])] = True
        freed = Freed(query, free if self.frees_best else ~free, self.largest)
        attack = PGD(self.steps, self.restarts, self.seed)
        attacked, cut = freed.attacked(attack, self.rounds)
        lower, why = proved(freed, attacked, self)
        details = {
            "shares": shares,
            "attacked": attacked.tolist(),
            "beyond_largest": cut.tolist(),
            "largest": freed.width,
        }
        if lower is None:
            return Measured(float(attacked.mean()), details={**details, "not_bounded": why})
        return Measured(
            float(attacked.mean()),
            lower=float(lower.mean()),
            details={**details, "lower": lower.tolist(), "status": "estimate"},
        )


def proved(freed: Freed, above: np.ndarray, how: Distortion) -> tuple[np.ndarray | None, str]:
    """Radii below `above` within which the decision stands; why not, where nothing bounds."""
    if how.bound == "none":
        return None, "no bound was asked for"
    query = freed.query
    found, open_ = np.zeros(len(above)), above.copy()
    try:
        for _ in range(how.rounds):
            middle = (found + open_) / 2
            bounds = bound(query.network, *freed.ends(middle), query.target, how.bound)
            stands = bounds.overlap_upper < 0
            found = np.where(stands, middle, found)
            open_ = np.where(stands, open_, middle)
    except NOT_BOUNDED as error:
        return None, str(error)
    return found, ""
