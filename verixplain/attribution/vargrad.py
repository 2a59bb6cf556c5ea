"""VarGrad."""

from dataclasses import dataclass

from torch import Tensor

from verixplain.attribution._noise import Noisy
from verixplain.registry import methods


@methods.add
@dataclass(frozen=True)
class VarGrad(Noisy):
    """Variance of the slope of the explained number over noisy copies of the input.

    Source: Adebayo et al. 2018, arXiv:1810.03292.
    """

    def reduce(self, slopes: Tensor) -> Tensor:
        return slopes.var(0, correction=0)
