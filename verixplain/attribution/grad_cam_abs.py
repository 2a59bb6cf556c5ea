"""GradCAM with the sizes of slopes."""

from dataclasses import dataclass

from torch import Tensor

from verixplain.attribution._cam import ClassActivation
from verixplain.registry import methods


@methods.add
@dataclass(frozen=True)
class GradCAMAbs(ClassActivation):
    """Positive part of a layer's channels, each weighted by the mean size of its slope.

    Source: Khakzar, Baselizadeh and Navab 2020, arXiv:2012.00362.
    """

    sanity = "sanity checks: fails; its map hardly changes with the class (positive aggregation)"

    def weights(self, activations: Tensor, slopes: Tensor) -> Tensor:
        return slopes.abs().mean((1, 2))
