"""FusionGrad: any method, averaged over noised networks and noised inputs."""

from dataclasses import dataclass

import numpy as np

from verixplain.attribution._base import at_least
from verixplain.attribution._noise import noisy, span_of
from verixplain.attribution._weights import Averaged
from verixplain.query import Query
from verixplain.registry import methods


@methods.add
@dataclass(frozen=True)
class FusionGrad(Averaged):
    """A method's scores, averaged over noise on the weights and on the input.

    In the base method's units. The defaults are half of NoiseGrad's and of SmoothGrad's noise, as
    the authors recommend.

    Args:
        samples: noisy inputs, the same for every network.
        noise: their standard deviation, as a share of the input's range.

    Source: Bykov et al. 2022, arXiv:2106.10185 (AAAI 2022).
    """

    draws: int = 10
    deviation: float = 0.1
    samples: int = 10
    noise: float = 0.075

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least("samples", self.samples, 1)
        at_least("noise", self.noise, 0)

    @property
    def cost(self) -> str:
        return f"{self.draws * self.samples} times that of the base method"

    def centers(self, query: Query) -> np.ndarray:
        center, dtype = query.box.center, query.network.input_dtype
        return noisy(center, self.samples, self.noise, span_of(center), self.seed, dtype)
