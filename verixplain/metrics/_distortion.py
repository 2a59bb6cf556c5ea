"""How little some inputs must move until the decision falls, from below and from above."""

from dataclasses import dataclass

import numpy as np

from verixplain.attack.pgd import PGD
from verixplain.attribution._base import at_least
from verixplain.bounds import bound, lower_at
from verixplain.errors import (
    BoundFailedError,
    OutOfMemoryError,
    SettingError,
    TargetError,
    UnsupportedBoundError,
    UnsupportedOperatorError,
)
from verixplain.metrics._base import Measured, Metric, Sample
from verixplain.query import Query

NOT_BOUNDED = (
    UnsupportedBoundError, UnsupportedOperatorError, BoundFailedError, OutOfMemoryError,
)  # fmt: skip
PIECES = 16
"""Places on the way to a point where the decision falls that are tried."""


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
        search = _Search(query, free if self.frees_best else ~free, self)
        attacked, cut = search.attacked()
        proved, why = search.proved(attacked)
        details = {
            "shares": shares,
            "attacked": attacked.tolist(),
            "beyond_largest": cut.tolist(),
            "largest": search.largest,
        }
        if proved is None:
            return Measured(float(attacked.mean()), details={**details, "not_bounded": why})
        return Measured(
            float(attacked.mean()),
            lower=float(proved.mean()),
            details={**details, "lower": proved.tolist(), "status": "estimate"},
        )


class _Search:
    """Boxes around one input in which only the free inputs move; one box a share.

    Args:
        query: whose input and target are looked at, not its box.
        free: (shares, inputs).
        how: the metric.
    """

    def __init__(self, query: Query, free: np.ndarray, how: Distortion) -> None:
        self.network, self.target, self.how = query.network, query.target, how
        self.center = query.box.center
        self.free = free.reshape(-1, *self.center.shape)
        self.clip = self.network.card.clip(self.center.shape)
        width = 1.0 if self.clip is None else float(np.max(self.clip[1] - self.clip[0]))
        self.largest = width if how.largest is None else float(how.largest)

    def ends(self, radii: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Boxes of these radii, rounded outward and cut with the data range."""
        wide = radii.reshape(-1, *[1] * self.center.ndim)
        lower = np.nextafter(self.center - wide, -np.inf)
        upper = np.nextafter(self.center + wide, np.inf)
        if self.clip is not None:
            lower = np.minimum(np.maximum(lower, self.clip[0]), self.center)
            upper = np.maximum(np.minimum(upper, self.clip[1]), self.center)
        return np.where(self.free, lower, self.center), np.where(self.free, upper, self.center)

    def attacked(self) -> tuple[np.ndarray, np.ndarray]:
        """Radii at which a point is known where the decision falls, and which are cut.

        Raises:
            TargetError: it does not stand at the input itself.
        """
        attack = PGD(self.how.steps, self.how.restarts, self.how.seed)
        count = len(self.free)
        found = np.full(count, self.largest)
        cut, safe = np.ones(count, dtype=bool), np.zeros(count)
        for number in range(self.how.rounds):
            radii = found.copy() if number == 0 else (safe + found) / 2
            lower, upper = self.ends(radii)
            best = attack.boxes(self.network, self.target, self.center, lower, upper)
            fallen = best.lower > 0
            moved = self.nearest(best.points)
            if (fallen & (moved == 0)).any():
                raise TargetError(
                    "the target does not hold at the input itself, so nothing must move; explain "
                    "the class that is predicted"
                )
            found = np.minimum(found, moved)
            safe = np.where(fallen, np.minimum(safe, found), radii)
            cut &= ~fallen
            if cut.all():
                break
            safe = np.where(cut, found, safe)
        return found, cut

    def nearest(self, points: np.ndarray) -> np.ndarray:
        """How far the nearest place on the way to each point is where the decision falls."""
        places = np.arange(1, PIECES + 1).reshape(-1, *[1] * points.ndim) / PIECES
        ways = (self.center + places * (points - self.center)).astype(points.dtype)
        ways[-1] = points
        flat = ways.reshape(-1, *self.center.shape)
        fallen = lower_at(self.network, flat, self.target).max(axis=1) > 0
        fallen = fallen.reshape(PIECES, len(points))
        moved = np.abs(ways - self.center).reshape(PIECES, len(points), -1).max(axis=2)
        return np.where(fallen, moved, np.inf).min(axis=0)

    def proved(self, above: np.ndarray) -> tuple[np.ndarray | None, str]:
        """Radii below `above` within which the decision stands; why not, where nothing bounds."""
        if self.how.bound == "none":
            return None, "no bound was asked for"
        proved, open_ = np.zeros(len(above)), above.copy()
        try:
            for _ in range(self.how.rounds):
                middle = (proved + open_) / 2
                bounds = bound(self.network, *self.ends(middle), self.target, self.how.bound)
                stands = bounds.overlap_upper < 0
                proved = np.where(stands, middle, proved)
                open_ = np.where(stands, open_, middle)
        except NOT_BOUNDED as error:
            return None, str(error)
        return proved, ""
