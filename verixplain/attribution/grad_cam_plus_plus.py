"""GradCAM++."""

from dataclasses import dataclass

import torch
from torch import Tensor

from verixplain.attribution._cam import ClassActivation
from verixplain.registry import methods


@methods.add
@dataclass(frozen=True)
class GradCAMPlusPlus(ClassActivation):
    """Positive part of a layer's channels, weighted by positive slopes with closed-form shares.

    Source: Chattopadhyay et al. 2018, arXiv:1710.11063.
    """

    sanity = "sanity checks: fails; its map hardly changes with the class (positive aggregation)"

    def weights(self, activations: Tensor, slopes: Tensor) -> Tensor:
        total = activations.sum((1, 2), keepdim=True)
        below = 2 * slopes**2 + total * slopes**3
        share = torch.where(below != 0, slopes**2 / torch.where(below != 0, below, 1.0), 0.0)
        return (share * slopes.clamp(min=0)).sum((1, 2))
