"""What the boundary methods share: the point on the boundary, and what is proved about it."""

import math
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from verixplain.attack.boundary import Boundary, BoundarySearch
from verixplain.attribution._base import Attribution, Explained, Scores
from verixplain.bounds.radius import Nearness
from verixplain.errors import (
    BoundFailedError,
    NoBoundaryError,
    OutOfMemoryError,
    UnsupportedBoundError,
    UnsupportedOperatorError,
)

NOT_BOUNDED = (
    UnsupportedBoundError, UnsupportedOperatorError, BoundFailedError, OutOfMemoryError,
)  # fmt: skip


@dataclass(frozen=True)
class AtBoundary(Attribution):
    """A method that looks at the nearest boundary point that attacks find.

    With `quantity="margin"` the gradient there is the boundary's true normal.

    Args:
        norm: in which the point is nearest, l2 or linf.
        steps, restarts, seed: of the attacks.
        attacks: names with commas between: deepfool, pgd, auto-pgd, cw.
        bound: bound method that proves how near a boundary can be; "none" proves nothing.
    """

    norm: str = "l2"
    steps: int = 40
    restarts: int = 2
    seed: int = 0
    attacks: str = "deepfool,pgd,auto-pgd,cw"
    bound: str = "crown"

    needs = "a network with several classes, or a threshold"

    def check(self) -> None:
        self._search()

    def _search(self) -> BoundarySearch:
        names = tuple(name for name in self.attacks.split(",") if name)
        return BoundarySearch(names, self.norm, self.steps, self.restarts, self.seed)

    @property
    def cost(self) -> str:
        radii, attacks = 7 * self.restarts, self.attacks.split(",")
        each = {"deepfool": 1, "pgd": radii, "auto-pgd": radii, "cw": 18}
        count = self.steps * sum(each.get(name, 0) for name in attacks)
        return f"about {count} gradients to find the boundary, and a few bounds"

    def at(self, explained: Explained, point: Tensor) -> Scores:
        """The map, given the boundary point."""
        raise NotImplementedError

    def boundary(self, explained: Explained) -> Boundary:
        """The nearest boundary point that the attacks find.

        Raises:
            NoBoundaryError: no attack found a point of another class.
        """
        query = explained.query
        clip = explained.network.card.clip(query.box.center.shape)
        boundary = self._search().run(query, clip, self.device, explained.progress)
        if not boundary.found:
            raise NoBoundaryError(
                f"none of the attacks ({self.attacks}) found a point where the decision falls; "
                "more steps or restarts may, and nothing else is a boundary point"
            )
        return boundary

    def scores(self, explained: Explained) -> Scores:
        """Find the boundary, prove what can be proved, and look from there.

        Raises:
            NoBoundaryError: no attack found a point of another class.
        """
        boundary = self.boundary(explained)
        clip = explained.network.card.clip(explained.query.box.center.shape)
        found = self.at(explained, explained.tensor(boundary.point))
        notes, arrays = self._proved(explained, boundary, clip)
        return Scores(found.map, (*notes, *found.notes), {**arrays, **found.arrays})

    def _proved(
        self, explained: Explained, boundary: Boundary, clip: tuple | None
    ) -> tuple[tuple[str, ...], dict[str, np.ndarray]]:
        """How near the boundary is at most and at least, and where the segment to it runs."""
        center = explained.query.box.center
        move = boundary.point - center
        l2, linf = float(np.linalg.norm(move)), float(np.abs(move).max())
        arrays = {
            "boundary_point": boundary.point,
            "distance_l2": np.array(l2),
            "distance_linf": np.array(linf),
            "attack_distances": np.array([*boundary.distances.values()]),
        }
        tried = ", ".join(f"{name} {length:.4g}" for name, length in boundary.distances.items())
        notes = [
            f"nearest boundary point found: L2 distance {l2:.6g}, L-infinity distance {linf:.6g}, "
            f"by {boundary.attack} ({self.norm} distances: {tried})"
        ]
        if self.bound == "none":
            return tuple(notes), arrays
        near = Nearness(explained.network, explained.query.target, clip, self.bound)
        try:
            radius, share = near.radius(center, linf), near.segment(center, boundary.point)
        except NOT_BOUNDED as error:
            return (*notes, f"nothing is proved about nearness: {error}"), arrays
        arrays |= {"proved_radius_linf": np.array(radius), "proved_segment": np.array(share)}
        distance = (
            f"no boundary within L-infinity distance {radius:.6g}, so none within that L2 one"
        )
        notes.append(
            f"proved by {self.bound} bounds: {distance if radius else 'no distance'}; the decision "
            f"stands on the first {_down(share)} of the segment to the point"
        )
        return tuple(notes), arrays


def _down(share: float) -> str:
    """A share in percent, rounded down."""
    return f"{math.floor(share * 1e4) / 1e2:.2f} %"
