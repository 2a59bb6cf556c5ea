"""Guided backpropagation."""

from dataclasses import dataclass

from torch import Tensor

from verixplain.attribution._propagation import ThroughRelu
from verixplain.registry import methods


@methods.add
@dataclass(frozen=True)
class GuidedBackprop(ThroughRelu):
    """Gradient whose negative parts are dropped at every Relu; arbitrary units.

    Source: Springenberg et al. 2015, arXiv:1412.6806.
    """

    sanity = (
        "sanity checks: fails; its map changes much less than the gradient with the class and the "
        "last layers"
    )

    def back(self, x: Tensor, grad: Tensor) -> Tensor:
        return grad.clamp(min=0) * (x > 0)
