"""BSM: the gradient at the nearest boundary point."""

from dataclasses import dataclass

from torch import Tensor

from verixplain.attribution._base import Explained, Scores
from verixplain.attribution._boundary import AtBoundary
from verixplain.registry import methods


@methods.add
@dataclass(frozen=True)
class BSM(AtBoundary):
    """Boundary-based saliency map: slope of the explained number at the nearest boundary point.

    Source: Wang, Fredrikson and Datta 2022, arXiv:2103.11257 (ICML 2022).
    """

    def at(self, explained: Explained, point: Tensor) -> Scores:
        return Scores(explained.gradient(point[None])[0])
