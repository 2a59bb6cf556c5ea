"""How far from an input, and along which segment, bounds prove that the decision stands."""

from dataclasses import dataclass

import numpy as np

from verixplain.bounds import BoundMethod, bound
from verixplain.network import Network
from verixplain.query import Target


@dataclass(frozen=True, eq=False)
class Nearness:
    """Bounds of the overlap around an input, asked for many boxes at once.

    Args:
        network, target: whose overlap is bounded; the decision stands where it is negative.
        clip: ends of the data range; nothing is said about inputs outside it.
        method: bound method.
        dtype, device: of the bounds.
        rounds: how often what is left is divided again.
        parts: into how many boxes each time.
    """

    network: Network
    target: Target
    clip: tuple[np.ndarray, np.ndarray] | None = None
    method: str | BoundMethod = "crown"
    dtype: str = "float64"
    device: str = "auto"
    rounds: int = 3
    parts: int = 16

    def stands(self, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
        """In which boxes (boxes, *input shape) the decision provably stands."""
        found = bound(
            self.network,
            lower,
            upper,
            self.target,
            self.method,
            dtype=self.dtype,
            device=self.device,
        )
        return found.overlap_upper < 0

    def radius(self, center: np.ndarray, largest: float) -> float:
        """A radius below `largest` in whose L-infinity ball the decision provably stands.

        Every point at which it falls, in the data range, is further away: in the L-infinity norm,
        and so in L2 too. The result is 0 where nothing is proved.
        """
        proved, above = 0.0, float(largest)
        for _ in range(self.rounds):
            radii = np.linspace(proved, above, self.parts + 1)[1:-1]
            lower, upper = self._balls(np.asarray(center, dtype=np.float64), radii)
            stands = self.stands(lower, upper)
            if stands.any():
                proved = float(radii[stands].max())
            failed = radii[~stands & (radii > proved)]
            above = float(failed.min()) if failed.size else above
        return proved

    def _balls(self, center: np.ndarray, radii: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Balls around the center, rounded outward and cut with the data range."""
        wide = radii.reshape(-1, *[1] * center.ndim)
        lower = np.nextafter(center - wide, -np.inf)
        upper = np.nextafter(center + wide, np.inf)
        if self.clip is not None:
            lower = np.minimum(np.maximum(lower, self.clip[0]), center)
            upper = np.maximum(np.minimum(upper, self.clip[1]), center)
        return lower, upper

    def segment(self, start: np.ndarray, end: np.ndarray) -> float:
        """A share t in [0, 1]: on the way from `start` to `end` the decision stands up to t."""
        start, end = np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
        proved, above = 0.0, 1.0
        for _ in range(self.rounds):
            places = np.linspace(proved, above, self.parts + 1)
            points = start + places.reshape(-1, *[1] * start.ndim) * (end - start)
            # Wider by more than the rounding of these points, so that the segment is inside.
            slack = 4 * np.spacing(np.maximum(np.abs(start), np.abs(end)))
            lower = np.minimum(points[:-1], points[1:]) - slack
            upper = np.maximum(points[:-1], points[1:]) + slack
            failed = np.flatnonzero(~self.stands(lower, upper))
            if not failed.size:
                return above
            proved, above = float(places[failed[0]]), float(places[failed[0] + 1])
        return proved
