"""Gradient times input: the product of two intervals."""

from torch import Tensor

from verixplain.certify.maps import maps
from verixplain.certify.maps._arithmetic import Region, scaled
from verixplain.certify.maps._base import BoundedMap, Shown


@maps.add
class GradientTimesInputMap(BoundedMap):
    """The gradient over the box, times the box."""

    def over(self, lower: Tensor, upper: Tensor) -> Region:
        return scaled(self.slopes.over(lower, upper), lower.flatten(1), upper.flatten(1))

    def at(self, shown: Shown, points: Tensor) -> Tensor:
        return points * shown.gradient(points)
