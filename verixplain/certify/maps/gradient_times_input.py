"""Gradient times input: the product of two intervals."""

from collections.abc import Mapping

from torch import Tensor

from verixplain.bounds.products import Ends
from verixplain.certify.maps import maps
from verixplain.certify.maps._arithmetic import Region, scaled
from verixplain.certify.maps._base import BoundedMap, Shown


@maps.add
class GradientTimesInputMap(BoundedMap):
    """The gradient over the box, times the box."""

    @property
    def phased(self) -> bool:
        return self.slopes.phased

    def over(
        self, lower: Tensor, upper: Tensor, values: Mapping[str, Ends] | None = None
    ) -> Region:
        found = self.slopes.over(lower, upper, values)
        return scaled(found, lower.flatten(1), upper.flatten(1))

    def at(self, shown: Shown, points: Tensor) -> Tensor:
        return points * shown.gradient(points)
