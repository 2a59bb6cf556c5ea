"""SmoothGrad."""

from dataclasses import dataclass

from torch import Tensor

from verixplain.attribution._noise import Noisy
from verixplain.registry import methods


@methods.add
@dataclass(frozen=True)
class SmoothGrad(Noisy):
    """Slope of the explained number, averaged over noisy copies of the input.

    Source: Smilkov et al. 2017, arXiv:1706.03825.
    """

    def reduce(self, slopes: Tensor) -> Tensor:
        return slopes.mean(0)
