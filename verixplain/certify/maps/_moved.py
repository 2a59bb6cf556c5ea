"""Maps that look at points which move with the input."""

from torch import Tensor

from verixplain.certify.maps._arithmetic import Region, added, down, scaled, up
from verixplain.certify.maps._base import BoundedMap, Shown


class MovedMap(BoundedMap):
    """The mean gradient at `x' + n_1, ..., x' + n_m`, the offsets being those of the center.

    A subclass gives the points that belong to the center.
    """

    def prepare(self) -> None:
        self.center = self.slopes.explained.x
        self.points = self.given()

    def given(self) -> Tensor:
        """The points of the center, (points, *input shape)."""
        raise NotImplementedError

    def one(self, lower: Tensor, upper: Tensor) -> Region:
        low = down(self.points + down(lower - self.center))
        high = up(self.points + up(upper - self.center))
        slopes = self.slopes.over(low, high)
        share = slopes.lower.new_full((1, 1), 1 / len(self.points))
        return added(scaled(slopes, down(share), up(share)))

    def at(self, shown: Shown, points: Tensor) -> Tensor:
        moved = self.points[:, None] + (points - self.center)[None]
        return shown.gradient(moved.flatten(0, 1)).reshape(moved.shape).mean(0)
