"""Infidelity: how badly the map's sums foretell what the network loses."""

from dataclasses import dataclass

import numpy as np

from verixplain.metrics._base import Measured, Sample
from verixplain.metrics._subsets import Subsets
from verixplain.registry import metrics


@metrics.add
@dataclass(frozen=True)
class Infidelity(Subsets):
    """Mean squared error of a subset's score as a guess of the fall of the output, normalised.

    Scores are first multiplied by the factor, at least 0, that serves them best, and the error is
    a share of that of guessing 0: maps of any unit compare, 1 says nothing, 0 everything.

    Source: Yeh et al. 2019, arXiv:1901.09392, with subsets replaced by a baseline as perturbation
    and the scale of its section 2.2, as captum's `normalize`.
    """

    direction = "lower"
    unit = "share of the mean squared fall"
    range = (0.0, 1.0)

    def measure(self, sample: Sample) -> Measured:
        sums, falls = self.drawn(sample)
        if not falls.any():
            return Measured(0.0, undefined="nothing is lost, whatever is replaced")
        sums = sums / (np.abs(sums).max() or 1.0)  # squares of tiny sums would vanish
        power = float(sums @ sums)
        factor = max(0.0, float(sums @ falls) / power) if power else 0.0
        error = falls - factor * sums
        return Measured(float(np.clip(error @ error / (falls @ falls), 0.0, 1.0)))
