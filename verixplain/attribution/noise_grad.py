"""NoiseGrad: any method, averaged over networks with noise on their weights."""

from dataclasses import dataclass

import numpy as np
import torch

from verixplain.attribution._base import at_least, gradient
from verixplain.attribution._weights import Averaged, Weights, finite, noised
from verixplain.errors import InputError, SettingError
from verixplain.network import Network
from verixplain.registry import methods


@methods.add
@dataclass(frozen=True)
class NoiseGrad(Averaged):
    """A method's scores, averaged over networks with multiplicative noise on their weights.

    In the base method's units.

    Source: Bykov et al. 2022, arXiv:2106.10185 (AAAI 2022).
    """


def accuracy_drop(
    network: Network,
    inputs: np.ndarray,
    labels: np.ndarray,
    deviation: float,
    draws: int = 10,
    seed: int = 0,
    weights: Weights | None = None,
) -> float:
    """How much of the accuracy above chance is lost under noise of `deviation`: 0 none, 1 all."""
    labels = np.asarray(labels)
    if len(labels) != len(inputs) or not len(labels):
        raise InputError(f"{len(inputs)} inputs but {len(labels)} labels")

    def accuracy(of: Network) -> float:
        outputs = finite(of(inputs))
        smallest = of.card.kind == "scores-min"
        return float((outputs.argmin(1) if smallest else outputs.argmax(1)).__eq__(labels).mean())

    chance, clean = 1 / network.outputs, accuracy(network)
    if not clean > chance:
        raise SettingError(f"the accuracy is {clean:.3g}, not above chance ({chance:.3g})")
    noisy = [accuracy(other) for other in noised(network, deviation, draws, [seed, 1], weights)]
    return 1 - (float(np.mean(noisy)) - chance) / (clean - chance)


def deviation_for_drop(
    network: Network,
    inputs: np.ndarray,
    labels: np.ndarray,
    drop: float = 0.05,
    draws: int = 10,
    seed: int = 0,
    weights: Weights | None = None,
    steps: int = 12,
) -> float:
    """The deviation at which the accuracy above chance falls by `drop`, by bisection.

    Every deviation is tried with the same draws, on inputs that should be held out from training.
    FusionGrad takes half of it, and half of SmoothGrad's noise.
    """
    if not 0 < drop < 1:
        raise SettingError(f"drop must lie between 0 and 1, not {drop!r}")
    at_least("draws", draws, 1)

    def lost(deviation: float) -> float:
        return accuracy_drop(network, inputs, labels, deviation, draws, seed, weights)

    low, high = 0.0, 0.1
    while lost(high) < drop:
        low, high = high, 2 * high
        if high > 100:
            raise SettingError(f"noise up to deviation {low:.3g} does not cost {drop:.3g}")
    for _ in range(steps):
        middle = (low + high) / 2
        low, high = (middle, high) if lost(middle) < drop else (low, middle)
    return (low + high) / 2


def activation_maximisation(
    network: Network,
    label: int,
    *,
    start: np.ndarray | None = None,
    copies: int = 100,
    deviation: float = 0.2,
    steps: int = 200,
    rate: float = 0.01,
    clip: tuple[np.ndarray | float, np.ndarray | float] | None = None,
    seed: int = 0,
) -> np.ndarray:
    """An input that many noised networks take for `label`: what the network looks for.

    Ascends on the mean output of `copies` networks with noise on the weights, all drawn from the
    original ones; every step is `rate` times the data range along the normalised gradient.

    Args:
        network: which is not changed.
        label: the class whose output rises (falls, where the smallest wins).
        start: where the ascent begins; by default the middle of the data range, or zero.
        copies, deviation, seed: of the noise; one copy without deviation is the network itself.
        steps, rate: of the ascent.
        clip: the data range; by default that of the model's card.
    """
    shape = network.input_shape
    clip = network.card.clip(shape) if clip is None else clip
    low, high = (-np.inf, np.inf) if clip is None else clip
    if start is None:
        start = np.zeros(shape) if clip is None else np.broadcast_to((low + high) / 2, shape)
    width = 1.0 if clip is None else float(np.max(np.asarray(high) - np.asarray(low)))
    sign = -1.0 if network.card.kind == "scores-min" else 1.0
    others = list(noised(network, deviation, copies, [seed, 1]))
    point = torch.tensor(np.array(start), dtype=torch.float64)[None]
    ends = [torch.as_tensor(np.array(end), dtype=torch.float64) for end in (low, high)]
    for _ in range(steps):
        slope = torch.zeros_like(point)
        for other in others:
            slope += sign * gradient(lambda x, other=other: other.forward(x)[:, label], point)
        move = slope / slope.norm().clamp(min=1e-300) * (rate * width * point.numel() ** 0.5)
        point = torch.minimum(torch.maximum(point + move, ends[0]), ends[1])
    return point[0].numpy().astype(network.input_dtype)
