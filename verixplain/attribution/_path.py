"""Integrals along the straight path from a baseline to the input."""

import numpy as np
import torch
from torch import Tensor

from verixplain.attribution._base import Explained, at_least, one_of

RULES = ("midpoint", "gauss-legendre", "trapezoid", "left", "right")


def nodes(rule: str, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Places in [0, 1] and their weights, which sum to one."""
    one_of("rule", rule, RULES)
    at_least("steps", steps, 2 if rule == "trapezoid" else 1)
    if rule == "gauss-legendre":
        places, weights = np.polynomial.legendre.leggauss(steps)
        return (places + 1) / 2, weights / 2
    weights = np.full(steps, 1 / steps)
    if rule == "midpoint":
        return (np.arange(steps) + 0.5) / steps, weights
    if rule == "trapezoid":
        weights = np.full(steps, 1 / (steps - 1))
        weights[[0, -1]] /= 2
        return np.linspace(0, 1, steps), weights
    return (np.arange(steps) + (rule == "right")) / steps, weights


def mean_gradient(explained: Explained, start: Tensor, rule: str, steps: int) -> Tensor:
    """The gradient averaged over the path from `start` to the input."""
    places, weights = (explained.tensor(one) for one in nodes(rule, steps))
    shape = (-1, *[1] * explained.x.ndim)
    points = start + places.reshape(shape) * (explained.x - start)
    return (explained.gradient(points, "path") * weights.reshape(shape)).sum(0)


def completeness(explained: Explained, start: Tensor, scores: Tensor) -> tuple[float, str]:
    """How far the scores are from adding up to the difference along the path, and in words."""
    ends = explained.value(torch.stack([explained.x, start]))
    change = float(ends[0] - ends[1])
    delta = float(scores.sum()) - change
    return delta, (
        f"completeness: the scores add up to {change + delta:.6g}, the change from the baseline "
        f"is {change:.6g} (delta {delta:.3g})"
    )


def baseline_in_words(value: float | np.ndarray) -> str:
    """The baseline, for a note."""
    return f"baseline {value:.6g}" if np.ndim(value) == 0 else "baseline as given (an array)"
