"""Relevance rank accuracy: how many of the best groups are on the object."""

from dataclasses import dataclass

from verixplain.metrics._base import Measured, Metric, Sample
from verixplain.registry import metrics


@metrics.add
@dataclass(frozen=True)
class RelevanceRankAccuracy(Metric):
    """Share of the k most important groups inside the mask, where the mask has k groups.

    Source: Arras, Osman and Samek 2022, arXiv:2003.07258.
    """

    kind = "localisation"
    direction = "higher"
    unit = "share of the k best groups"
    range = (0.0, 1.0)
    needs = "mask"

    def measure(self, sample: Sample) -> Measured:
        inside = sample.inside
        return Measured(float(inside[sample.ranked[: inside.sum()]].mean()))
