"""Gradient steps with a size of their own for every number.

torch's optimisers import a compiler on their first step, which takes longer than the steps.

Source: Adam (Kingma and Ba 2015, arXiv:1412.6980), with its standard settings.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

_FIRST, _SECOND, _TINY = 0.9, 0.999, 1e-8


class Adam:
    """Descends on tensors that have a gradient.

    Args:
        numbers: leaves of the graph; changed in place.
        rate: about how far each number moves in a step.
    """

    def __init__(self, numbers: Iterable[Tensor], rate: float) -> None:
        self.numbers, self.rate, self.steps = list(numbers), rate, 0
        self.mean = [torch.zeros_like(one) for one in self.numbers]
        self.square = [torch.zeros_like(one) for one in self.numbers]

    @torch.no_grad()
    def step(self) -> None:
        """Move against the gradients, and forget them."""
        self.steps += 1
        for number, mean, square in zip(self.numbers, self.mean, self.square, strict=True):
            if number.grad is None:
                continue
            mean.mul_(_FIRST).add_(number.grad, alpha=1 - _FIRST)
            square.mul_(_SECOND).addcmul_(number.grad, number.grad, value=1 - _SECOND)
            size = (square / (1 - _SECOND**self.steps)).sqrt() + _TINY
            number -= self.rate * (mean / (1 - _FIRST**self.steps)) / size
            number.grad = None
