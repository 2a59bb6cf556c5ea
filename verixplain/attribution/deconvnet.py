"""Deconvnet."""

from dataclasses import dataclass

from torch import Tensor

from verixplain.attribution._propagation import ThroughRelu
from verixplain.registry import methods


@methods.add
@dataclass(frozen=True)
class Deconvnet(ThroughRelu):
    """Gradient whose negative parts are dropped at every Relu, open or not; arbitrary units.

    Source: Zeiler and Fergus 2014, arXiv:1311.2901.
    """

    sanity = "sanity checks: doubtful; its map does not depend on which Relus are open"

    def back(self, x: Tensor, grad: Tensor) -> Tensor:
        return grad.clamp(min=0)
