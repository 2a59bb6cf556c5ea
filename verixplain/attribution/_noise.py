"""Gradients at noisy copies of the input; the noise is kept, so the map is an exact finite sum."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from verixplain.attribution._base import Attribution, Explained, Scores, at_least


def noisy(
    center: np.ndarray, samples: int, noise: float, span: float, seed: int, dtype: type
) -> np.ndarray:
    """Copies of an input with Gaussian noise, rounded to the model's input type.

    Args:
        center: the input.
        samples: how many copies.
        noise: standard deviation as a share of `span`.
        span: largest less smallest value of the input.
        seed: of the noise.
        dtype: the model's input type.
    """
    drawn = np.random.default_rng(seed).standard_normal((samples, *center.shape))
    return (center + noise * span * drawn).astype(dtype).astype(np.float64)


def span_of(center: np.ndarray) -> float:
    """Largest less smallest value of an input, its range."""
    return float(center.max() - center.min())


@dataclass(frozen=True)
class Noisy(Attribution):
    """Gradients at noisy copies of the input, reduced to one map.

    Args:
        samples: noisy copies.
        noise: standard deviation, as a share of the input's range (largest less smallest value).
        seed: of the noise.
    """

    samples: int = 50
    noise: float = 0.15
    seed: int = 0

    def check(self) -> None:
        at_least("samples", self.samples, 1)
        at_least("noise", self.noise, 0)

    @property
    def cost(self) -> str:
        return f"{self.samples} gradients"

    def points(self, explained: Explained) -> np.ndarray:
        """The noisy copies."""
        center = explained.query.box.center
        dtype = explained.network.input_dtype
        return noisy(center, self.samples, self.noise, span_of(center), self.seed, dtype)

    def reduce(self, slopes: Tensor) -> Tensor:
        """The map of gradients (samples, *input shape)."""
        raise NotImplementedError

    def scores(self, explained: Explained) -> Scores:
        points = self.points(explained)
        slopes = explained.gradient(explained.tensor(points), "samples")
        deviation = self.noise * span_of(explained.query.box.center)
        note = (
            f"{self.samples} copies with Gaussian noise of standard deviation {deviation:.4g} "
            f"(seed {self.seed}), kept in method_points: the map is the exact sum over them"
        )
        return Scores(self.reduce(slopes), (note,), {"points": points})
