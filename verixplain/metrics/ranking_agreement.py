"""Ranking agreement: whether a map ranks the groups as the verified map does."""

from dataclasses import dataclass

from verixplain.metrics._base import Measured, Metric, Sample, spearman
from verixplain.registry import metrics


@metrics.add
@dataclass(frozen=True)
class RankingAgreement(Metric):
    """Rank correlation of the scores with those of the verified map of the same query.

    A constant map scores 0 and is counted.

    Source: ours; Spearman 1904, doi:10.2307/1412159, of a map and EVA's.
    """

    kind = "agreement"
    direction = "higher"
    unit = "correlation"
    range = (-1.0, 1.0)
    needs = "verified map"

    def measure(self, sample: Sample) -> Measured:
        found = spearman(sample.scores, sample.verified.group_scores)
        if found is None:
            return Measured(0.0, undefined="one of the two maps is constant")
        return Measured(found)
