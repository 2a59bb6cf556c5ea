"""GEG: gradients of networks with slightly other weights and the same decision."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from verixplain.attribution._base import (
    Attribution,
    Explained,
    Scores,
    at_least,
    gradient,
    one_of,
)  # fmt: skip
from verixplain.attribution._weights import noised
from verixplain.errors import SettingError
from verixplain.network import Network
from verixplain.registry import methods


@methods.add
@dataclass(frozen=True)
class GEG(Attribution):
    """Slopes of the explained number over networks nearby that decide alike and no less surely.

    Per unit of each input. A network with noise added to every weight counts if the class's
    probability does not fall and the decision is the same.

    Args:
        samples: networks that count.
        attempts: networks tried; there may be fewer that count then, which a note says.
        deviation: of the noise added to every weight.
        variant: max takes the largest slope of each input, integrated the mean.
        seed: of the noise.

    Source: Rahman, Lewis and Plis 2022, ICLR workshop PAIR2Struct (openreview rtIeCBr8W-5).
    """

    samples: int = 50
    attempts: int = 500
    deviation: float = 0.001
    variant: str = "max"
    seed: int = 0

    needs = "a network with weights and classes"
    keeps_ignored_at_zero = False

    def check(self) -> None:
        at_least("samples", self.samples, 1)
        at_least("attempts", self.attempts, self.samples)
        at_least("deviation", self.deviation, 0)
        one_of("variant", self.variant, ("max", "integrated"))

    @property
    def cost(self) -> str:
        return f"{self.samples} gradients, at most {self.attempts} evaluations"

    def scores(self, explained: Explained) -> Scores:
        if explained.label is None:
            raise SettingError("geg compares the probability of a class; a target of rows has none")
        before, slopes, tried = self._decision(explained, explained.network), [], 0
        others = noised(
            explained.network, self.deviation, self.attempts, [self.seed, 1], additive=True
        )
        for other in others:
            tried += 1
            label, sure = self._decision(explained, other)
            if label == before[0] and sure >= before[1]:
                slopes.append(self._slope(explained, other))
                explained.tell("networks", len(slopes), self.samples)
            if len(slopes) == self.samples:
                break
        if not slopes:
            raise SettingError(
                f"none of {tried} networks with deviation {self.deviation} kept the decision; use "
                "a smaller deviation or more attempts"
            )
        stack = torch.stack(slopes)
        found = stack.amax(0) if self.variant == "max" else stack.mean(0)
        note = (
            f"{len(slopes)} of {tried} networks counted (wanted {self.samples}), seed {self.seed}"
        )
        return Scores(found, (note,), {"networks": np.array([len(slopes), tried])})

    def _decision(self, explained: Explained, network: Network) -> tuple[int, float]:
        """The class that wins, and the probability of the explained class."""
        with torch.no_grad():
            outputs = explained.sign * network.forward(explained.x[None])[0]
        return int(outputs.argmax()), float(torch.softmax(outputs, 0)[explained.label])

    def _slope(self, explained: Explained, network: Network) -> Tensor:
        point = explained.x[None]
        return gradient(lambda x: explained.number(network.forward(x)), point)[0]
