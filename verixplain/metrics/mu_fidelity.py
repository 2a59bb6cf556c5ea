"""MuFidelity: whether the map's sums go with what the network loses."""

from dataclasses import dataclass

from verixplain.metrics._base import Measured, Sample, spearman
from verixplain.metrics._subsets import Subsets
from verixplain.registry import metrics


@metrics.add
@dataclass(frozen=True)
class MuFidelity(Subsets):
    """Rank correlation of a subset's score with the fall of the output when it is replaced.

    Every subset has the same number of groups. A constant side scores 0 and is counted.

    Source: Bhatt, Weller and Moura 2020, arXiv:2005.00631, definition 3; Spearman as in Xplique.
    """

    direction = "higher"
    unit = "correlation"
    range = (-1.0, 1.0)

    def measure(self, sample: Sample) -> Measured:
        found = spearman(*self.drawn(sample))
        if found is None:
            return Measured(0.0, undefined="the map's sums or the falls are all equal")
        return Measured(found)
