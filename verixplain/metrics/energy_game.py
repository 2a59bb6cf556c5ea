"""Energy game: how much of the positive score lies on the object."""

from dataclasses import dataclass

import numpy as np

from verixplain.metrics._base import Measured, Metric, Sample
from verixplain.registry import metrics


@metrics.add
@dataclass(frozen=True)
class EnergyGame(Metric):
    """Share of the positive score that groups inside the mask have.

    Source: Wang et al. 2020, arXiv:1910.01279 (energy-based pointing game).
    """

    kind = "localisation"
    direction = "higher"
    unit = "share of the positive score"
    range = (0.0, 1.0)
    needs = "mask"

    def measure(self, sample: Sample) -> Measured:
        positive = np.maximum(sample.scores, 0.0)
        inside, top = sample.inside, positive.max()
        if not top > 0:
            return Measured(0.0, undefined="no score is positive")
        positive = positive / top
        return Measured(float(min(1.0, positive[inside].sum() / positive.sum())))
