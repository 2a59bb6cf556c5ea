"""BIG: integrated gradients from the nearest boundary point."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from verixplain.attribution._base import Explained, Scores
from verixplain.attribution._boundary import AtBoundary
from verixplain.attribution._path import completeness, mean_gradient, nodes
from verixplain.registry import methods


@methods.add
@dataclass(frozen=True)
class BIG(AtBoundary):
    """Boundary-based integrated gradient: share of each input in the change since the boundary.

    In units of the explained number; integrated gradients whose baseline is the nearest boundary
    point, so that no baseline has to be chosen.

    Args:
        path_steps: gradients on the path.
        rule: midpoint, gauss-legendre, trapezoid, left or right.

    Source: Wang, Fredrikson and Datta 2022, arXiv:2103.11257 (ICML 2022).
    """

    path_steps: int = 50
    rule: str = "midpoint"

    def check(self) -> None:
        super().check()
        nodes(self.rule, self.path_steps)

    def at(self, explained: Explained, point: Tensor) -> Scores:
        slope = mean_gradient(explained, point, self.rule, self.path_steps)
        found = (explained.x - point) * slope
        delta, words = completeness(explained, point, found)
        return Scores(found, (words,), {"completeness_delta": np.array(delta)})
