"""The gradient itself."""

import torch
from torch import Tensor

from verixplain.certify.maps import maps
from verixplain.certify.maps._arithmetic import Region, between, cut
from verixplain.certify.maps._base import BoundedMap, Shown


@maps.add
class SaliencyMap(BoundedMap):
    """The gradient over the box, or its size."""

    def over(self, lower: Tensor, upper: Tensor) -> Region:
        found = self.slopes.over(lower, upper)
        if not self.method.absolute:
            return found
        known = cut(found)
        inside = (known.lower <= 0) & (known.upper >= 0)
        ends = torch.stack([known.lower.abs(), known.upper.abs()])
        return between(torch.where(inside, 0.0, ends.amin(0)), ends.amax(0))

    def at(self, shown: Shown, points: Tensor) -> Tensor:
        found = shown.gradient(points)
        return found.abs() if self.method.absolute else found
