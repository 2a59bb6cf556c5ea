"""Pointing game: whether the best group is on the object."""

from dataclasses import dataclass

from verixplain.metrics._base import Measured, Metric, Sample
from verixplain.registry import metrics


@metrics.add
@dataclass(frozen=True)
class PointingGame(Metric):
    """1 where the most important group lies inside the mask, else 0.

    Source: Zhang et al. 2018, arXiv:1608.00507.
    """

    kind = "localisation"
    direction = "higher"
    unit = "hit (1) or miss (0)"
    range = (0.0, 1.0)
    needs = "mask"

    def measure(self, sample: Sample) -> Measured:
        return Measured(float(sample.inside[sample.ranked[0]]))
