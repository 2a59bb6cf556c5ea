"""SmoothGrad at the nearest boundary point."""

from dataclasses import dataclass

from torch import Tensor

from verixplain.attribution._base import Explained, Scores, at_least
from verixplain.attribution._boundary import AtBoundary
from verixplain.attribution._noise import noisy, span_of
from verixplain.registry import methods


@methods.add
@dataclass(frozen=True)
class BoundarySmoothGrad(AtBoundary):
    """Slope of the explained number, averaged over noisy copies of the nearest boundary point.

    Args:
        samples: noisy copies.
        noise: standard deviation, as a share of the input's range.

    Source: Wang, Fredrikson and Datta 2022, arXiv:2103.11257 (ICML 2022).
    """

    samples: int = 50
    noise: float = 0.15

    def check(self) -> None:
        super().check()
        at_least("samples", self.samples, 1)
        at_least("noise", self.noise, 0)

    def at(self, explained: Explained, point: Tensor) -> Scores:
        span, dtype = span_of(explained.query.box.center), explained.network.input_dtype
        center = point.cpu().numpy()
        points = noisy(center, self.samples, self.noise, span, self.seed, dtype)
        slopes = explained.gradient(explained.tensor(points), "samples")
        note = f"{self.samples} noisy copies (seed {self.seed}), kept in method_points"
        return Scores(slopes.mean(0), (note,), {"points": points})
