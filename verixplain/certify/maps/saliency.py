"""The gradient itself."""

from collections.abc import Mapping

import torch
from torch import Tensor

from verixplain.bounds.products import Ends
from verixplain.certify.maps import maps
from verixplain.certify.maps._arithmetic import Region, between, cut
from verixplain.certify.maps._base import BoundedMap, Shown


@maps.add
class SaliencyMap(BoundedMap):
    """The gradient over the box, or its size."""

    @property
    def phased(self) -> bool:
        return not self.method.absolute and self.slopes.phased

    def over(
        self, lower: Tensor, upper: Tensor, values: Mapping[str, Ends] | None = None
    ) -> Region:
        found = self.slopes.over(lower, upper, values)
        if not self.method.absolute:
            return found
        known = cut(found)
        inside = (known.lower <= 0) & (known.upper >= 0)
        ends = torch.stack([known.lower.abs(), known.upper.abs()])
        return between(torch.where(inside, 0.0, ends.amin(0)), ends.amax(0))

    def at(self, shown: Shown, points: Tensor) -> Tensor:
        found = shown.gradient(points)
        return found.abs() if self.method.absolute else found
