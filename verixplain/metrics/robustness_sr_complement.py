"""Robustness-Sr's complement: how far the rest can move while the best groups are held."""

from dataclasses import dataclass

from verixplain.metrics._distortion import Distortion
from verixplain.registry import metrics


@metrics.add
@dataclass(frozen=True)
class RobustnessSrComplement(Distortion):
    """Smallest move of all but the most important groups that changes the decision.

    Source: Hsieh et al. 2021, arXiv:2006.00442, in L-infinity; the bound from below is ours.
    """

    direction = "higher"
    frees_best = False
