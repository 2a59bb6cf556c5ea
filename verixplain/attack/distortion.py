"""The smallest move of some inputs alone at which a decision is seen to fall."""

from dataclasses import dataclass

import numpy as np

from verixplain.attack.pgd import PGD
from verixplain.bounds import lower_at
from verixplain.errors import TargetError
from verixplain.query import Query

PIECES = 16
"""Places on the way to a point where the decision falls that are tried."""


@dataclass(frozen=True, eq=False)
class Freed:
    """Boxes around one input, in each of which only some inputs move (L-infinity).

    Args:
        query: whose input and target are looked at, not its box.
        free: (boxes, inputs), True where an input may move.
        largest: radius that is tried first, in the model's units; by default the width of the
            card's data range, or 1 without one.
    """

    query: Query
    free: np.ndarray
    largest: float | None = None

    @property
    def width(self) -> float:
        """The radius that is tried first."""
        if self.largest is not None:
            return float(self.largest)
        clip = self.query.network.card.clip(self.query.box.center.shape)
        return 1.0 if clip is None else float(np.max(clip[1] - clip[0]))

    def ends(self, radii: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Ends of the boxes at these radii, rounded outward and cut with the data range."""
        center = self.query.box.center
        clip = self.query.network.card.clip(center.shape)
        wide = radii.reshape(-1, *[1] * center.ndim)
        lower = np.nextafter(center - wide, -np.inf)
        upper = np.nextafter(center + wide, np.inf)
        if clip is not None:
            lower = np.minimum(np.maximum(lower, clip[0]), center)
            upper = np.maximum(np.minimum(upper, clip[1]), center)
        free = self.free.reshape(-1, *center.shape)
        return np.where(free, lower, center), np.where(free, upper, center)

    def attacked(self, attack: PGD, rounds: int) -> tuple[np.ndarray, np.ndarray]:
        """Halve every radius `rounds` times.

        Returns:
            Radii at which a point is known where the decision falls, and which of them are only
            the largest that was tried since none is.

        Raises:
            TargetError: the decision does not stand at the input itself.
        """
        query, count = self.query, len(self.free)
        here = query.box.center.astype(query.network.input_dtype)[None]
        if not lower_at(query.network, here, query.target).max() <= 0:
            raise TargetError(
                "the target does not hold at the input itself, so nothing must move; explain "
                "the class that is predicted"
            )
        found = np.full(count, self.width)
        cut, safe = np.ones(count, dtype=bool), np.zeros(count)
        for number in range(rounds):
            radii = found.copy() if number == 0 else (safe + found) / 2
            lower, upper = self.ends(radii)
            best = attack.boxes(query.network, query.target, query.box.center, lower, upper)
            fallen = best.lower > 0
            if fallen.any():
                found[fallen] = np.minimum(found[fallen], self._nearest(best.points[fallen]))
            safe = np.where(fallen, np.minimum(safe, found), radii)
            cut &= ~fallen
            if cut.all():
                break
            safe = np.where(cut, found, safe)
        return found, cut

    def _nearest(self, points: np.ndarray) -> np.ndarray:
        """How far the nearest place on the way to each point is where the decision falls.

        Args:
            points: at which it falls for certain.
        """
        query = self.query
        center, count = query.box.center, len(points)
        places = np.arange(1, PIECES) / PIECES
        ways = center + places.reshape(-1, *[1] * points.ndim) * (points - center)
        ways = ways.astype(points.dtype)
        rows, offsets = query.target.matrix(query.network.outputs)
        outputs = np.stack([query.network(way) for way in ways])
        seems = (outputs @ rows.T + offsets).max(axis=2) > 0
        nearest = ways[seems.argmax(axis=0), np.arange(count)]
        sure = lower_at(query.network, nearest, query.target).max(axis=1) > 0
        nearest = np.where(sure.reshape(-1, *[1] * center.ndim), nearest, points)
        return np.abs(nearest - center).reshape(count, -1).max(axis=1)
