"""What guided backpropagation, Deconvnet and RectGrad share: another way back through Relu."""

from dataclasses import dataclass

from torch import Tensor

from verixplain.attribution._base import Attribution, Explained, Scores
from verixplain.attribution._layers import RELUS, Layer, gradient_of, need, with_back


@dataclass(frozen=True)
class ThroughRelu(Attribution):
    """A gradient whose way back through every Relu is changed."""

    needs = "a Relu"

    def back(self, x: Tensor, grad: Tensor) -> Tensor:
        """What goes back to a Relu's input x where `grad` arrives at its result."""
        raise NotImplementedError

    def scores(self, explained: Explained) -> Scores:
        need(explained, self.name, RELUS, "a Relu")

        def call(layer: Layer, *inputs: Tensor):
            if layer.operator not in RELUS:
                return layer.module(*inputs)
            return with_back(layer, lambda grad: (self.back(inputs[0], grad),), *inputs)

        return Scores(gradient_of(explained, call))
