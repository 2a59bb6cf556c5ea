"""DeepLIFT from the nearest boundary point."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from verixplain.attribution._base import Explained, Scores
from verixplain.attribution._boundary import AtBoundary
from verixplain.attribution._path import completeness
from verixplain.attribution._rescale import multipliers
from verixplain.registry import methods


@methods.add
@dataclass(frozen=True)
class BoundaryDeepLIFT(AtBoundary):
    """Share of each input in the change since the nearest boundary point, by DeepLIFT's rule.

    In units of the explained number.

    Source: Wang, Fredrikson and Datta 2022, arXiv:2103.11257 (ICML 2022).
    """

    def at(self, explained: Explained, point: Tensor) -> Scores:
        found = (explained.x - point) * multipliers(explained, point)
        delta, words = completeness(explained, point, found)
        return Scores(found, (words,), {"completeness_delta": np.array(delta)})
