"""SmoothGrad-squared."""

from dataclasses import dataclass

from torch import Tensor

from verixplain.attribution._noise import Noisy
from verixplain.registry import methods


@methods.add
@dataclass(frozen=True)
class SmoothGradSquared(Noisy):
    """Squared slope of the explained number, averaged over noisy copies of the input.

    Source: Hooker et al. 2019, arXiv:1806.10758.
    """

    def reduce(self, slopes: Tensor) -> Tensor:
        return slopes.square().mean(0)
