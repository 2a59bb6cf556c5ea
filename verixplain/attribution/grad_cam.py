"""GradCAM."""

from dataclasses import dataclass

from torch import Tensor

from verixplain.attribution._cam import ClassActivation
from verixplain.registry import methods


@methods.add
@dataclass(frozen=True)
class GradCAM(ClassActivation):
    """Positive part of a layer's channels, each weighted by its mean slope; arbitrary units.

    Source: Selvaraju et al. 2017, arXiv:1610.02391.
    """

    sanity = "sanity checks: passes; its map changes with the class and with the weights"

    def weights(self, activations: Tensor, slopes: Tensor) -> Tensor:
        return slopes.mean((1, 2))
