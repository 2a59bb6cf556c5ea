"""RectGrad."""

from dataclasses import dataclass

import torch
from torch import Tensor

from verixplain.attribution._base import Explained, Scores
from verixplain.attribution._propagation import ThroughRelu
from verixplain.errors import SettingError
from verixplain.registry import methods


@methods.add
@dataclass(frozen=True)
class RectGrad(ThroughRelu):
    """Gradient that passes a Relu only where activation times gradient is largest.

    In units of the explained number with `times_input`, else per unit of each input.

    Args:
        percentile: of activation times gradient in every layer, above which gradients pass;
            -1 lets every positive product pass.
        times_input: whether the result is multiplied with the input, as published.

    Source: Kim et al. 2019, arXiv:1902.04893.
    """

    percentile: float = 98.0
    times_input: bool = True

    sanity = (
        "sanity checks: fails; its map changes much less than the gradient with the class and the "
        "last layers"
    )

    def check(self) -> None:
        if not (self.percentile == -1 or 0 <= self.percentile <= 100):
            raise SettingError(f"percentile must be in [0, 100], or -1, not {self.percentile!r}")

    def back(self, x: Tensor, grad: Tensor) -> Tensor:
        product = x.clamp(min=0) * grad
        limit = torch.zeros(())
        if self.percentile >= 0:
            limit = torch.quantile(product.flatten(), self.percentile / 100)
        return grad * (product > limit)

    def scores(self, explained: Explained) -> Scores:
        found = super().scores(explained).map
        return Scores(found * explained.x if self.times_input else found)
