"""How far from an input, and along which segment, bounds prove that the decision stands."""

from dataclasses import dataclass

import numpy as np

from verixplain.bounds import BoundMethod, bound
from verixplain.network import Network
from verixplain.query import Target


@dataclass(frozen=True, eq=False)
class Nearness:
    """Where around an input bounds of the overlap are negative.

    Args:
        network, target: whose overlap is bounded; the decision stands where it is negative.
        clip: ends of the data range; nothing is said about inputs outside it.
        method: bound method.
        dtype, device: of the bounds.
        rounds: how often a radius is halved.
        pieces: boxes tried along a segment.
    """

    network: Network
    target: Target
    clip: tuple[np.ndarray, np.ndarray] | None = None
    method: str | BoundMethod = "crown"
    dtype: str = "float64"
    device: str = "auto"
    rounds: int = 8
    pieces: int = 20

    def stands(self, lower: np.ndarray, upper: np.ndarray) -> bool:
        """Whether the decision provably stands in a box."""
        found = bound(
            self.network,
            lower[None],
            upper[None],
            self.target,
            self.method,
            dtype=self.dtype,
            device=self.device,
        )
        return bool(found.overlap_upper[0] < 0)

    def radius(self, center: np.ndarray, largest: float) -> float:
        """A radius below `largest` in whose L-infinity ball the decision provably stands.

        Every point at which it falls, in the data range, is further away: in the L-infinity norm,
        and so in L2 too. The result is 0 where nothing is proved.
        """
        center = np.asarray(center, dtype=np.float64)
        proved, above = 0.0, float(largest)
        for _ in range(self.rounds):
            middle = (proved + above) / 2
            if self.stands(*self._ball(center, middle)):
                proved = middle
            else:
                above = middle
        return proved

    def _ball(self, center: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
        """A ball around the center, rounded outward and cut with the data range."""
        lower = np.nextafter(center - radius, -np.inf)
        upper = np.nextafter(center + radius, np.inf)
        if self.clip is not None:
            lower = np.minimum(np.maximum(lower, self.clip[0]), center)
            upper = np.maximum(np.minimum(upper, self.clip[1]), center)
        return lower, upper

    def segment(self, start: np.ndarray, end: np.ndarray) -> float:
        """A share t in [0, 1]: on the way from `start` to `end` the decision stands up to t."""
        start, end = np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
        # Wider by more than the rounding of the places below, so that the segment is inside.
        slack = 4 * np.spacing(np.maximum(np.abs(start), np.abs(end)))
        proved, step = 0.0, 0.5
        for _ in range(self.pieces):
            after = min(1.0, proved + step)
            ends = [start + place * (end - start) for place in (proved, after)]
            if not self.stands(np.minimum(*ends) - slack, np.maximum(*ends) + slack):
                step /= 2
            elif after == 1.0:
                return 1.0
            else:
                proved = after
        return proved
