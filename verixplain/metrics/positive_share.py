"""Positive share: how much of the object counts for the class."""

from dataclasses import dataclass

from verixplain.metrics._base import Measured, Metric, Sample
from verixplain.registry import metrics


@metrics.add
@dataclass(frozen=True)
class PositiveShare(Metric):
    """Share of the groups inside the mask whose score is positive.

    Source: Wang, Fredrikson and Datta 2022, arXiv:2103.11257 (PMLR 162), positive percentage.
    """

    kind = "localisation"
    direction = "higher"
    unit = "share of the groups inside"
    range = (0.0, 1.0)
    needs = "mask"

    def measure(self, sample: Sample) -> Measured:
        return Measured(float((sample.scores[sample.inside] > 0).mean()))
