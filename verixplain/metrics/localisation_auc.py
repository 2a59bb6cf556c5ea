"""Localisation AUC: how well the scores tell the object from the rest."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from verixplain.metrics._base import Measured, Metric, Sample
from verixplain.registry import metrics


@metrics.add
@dataclass(frozen=True)
class LocalisationAUC(Metric):
    """Chance that a group inside the mask scores above one outside; equal scores count half.

    It is the area under the ROC curve. 0.5 is what random scores have.

    Source: Fawcett 2006, doi:10.1016/j.patrec.2005.10.010; as in Quantus.
    """

    kind = "localisation"
    direction = "higher"
    unit = "share of the pairs"
    range = (0.0, 1.0)
    needs = "mask"

    def measure(self, sample: Sample) -> Measured:
        inside = sample.inside
        within, without = int(inside.sum()), int((~inside).sum())
        if not without:
            return Measured(0.5, undefined="every group lies in the mask")
        ranks = float(np.sum(rankdata(sample.scores)[inside]))
        return Measured((ranks - within * (within + 1) / 2) / (within * without))
