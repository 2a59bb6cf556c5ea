"""Robustness-Sr: how little the best groups must move until the decision falls."""

from dataclasses import dataclass

from verixplain.metrics._distortion import Distortion
from verixplain.registry import metrics


@metrics.add
@dataclass(frozen=True)
class RobustnessSr(Distortion):
    """Smallest move of the most important groups alone that changes the decision.

    Source: Hsieh et al. 2021, arXiv:2006.00442, in L-infinity; the bound from below is ours.
    """

    direction = "lower"
