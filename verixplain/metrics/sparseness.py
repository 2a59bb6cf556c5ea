"""Sparseness: whether few groups hold most of the map."""

from dataclasses import dataclass

import numpy as np

from verixplain.metrics._base import Measured, Metric, Sample
from verixplain.registry import metrics


@metrics.add
@dataclass(frozen=True)
class Sparseness(Metric):
    """Gini index of the scores' sizes: 0 where all are equal, near 1 where one group has all.

    Source: Chalasani et al. 2020, arXiv:1810.06583; index of Hurley and Rickard 2009,
    arXiv:0811.4706.
    """

    kind = "complexity"
    direction = "higher"
    unit = "Gini index"
    range = (0.0, 1.0)

    def measure(self, sample: Sample) -> Measured:
        sizes = np.sort(np.abs(sample.scores))
        if not sizes[-1] > 0:
            return Measured(0.0, undefined="every score is 0")
        sizes = sizes / sizes[-1]
        count = len(sizes)
        weights = (count - np.arange(1, count + 1) + 0.5) / count
        return Measured(float(max(0.0, 1 - 2 * (sizes / sizes.sum()) @ weights)))
