"""What SIC and AIC share: the image shown bit by bit, and how much information is in it."""

from dataclasses import dataclass

import numpy as np
import torch

from verixplain.attribution._base import at_least
from verixplain.errors import GroupsError, InputError, TargetError
from verixplain.features import Plane, plane
from verixplain.metrics._base import Measured, Metric, Sample, share
from verixplain.query import Query

GRID = 101
"""Points of the information axis on which a curve is laid."""


@dataclass(frozen=True)
class Information(Metric):
    """Area under a curve over the information shown, from a blurred image to the whole one.

    The first image has `start` of its pixels at random places and the nearest of them everywhere
    else. Then the best groups are put in. Information is the entropy of the grey levels of the
    image, 0 at the first image and 1 at the whole one.

    Args:
        start: share of the pixels that stand in the first image.
        steps: images after the first.
        seed: of the random places.
    """

    start: float = 0.02
    steps: int = 50
    seed: int = 0

    kind = "faithfulness"
    direction = "higher"
    range = (0.0, 1.0)
    looks_at = "probability"
    replaces = "the nearest of a few random pixels"
    needs = "image"

    def __post_init__(self) -> None:
        share("start", self.start)
        at_least("steps", self.steps, 1)

    def height(self, sample: Sample, points: torch.Tensor) -> np.ndarray:
        """The curve's height at images; the last is the whole image."""
        raise NotImplementedError

    def measure(self, sample: Sample) -> Measured:
        query = sample.explanation.query
        image, center = _image(query), query.box.center
        first = blurred(center, image, self.start, self.seed)
        counts = np.unique(np.linspace(0, len(query.groups), self.steps + 1).astype(int))
        shown = np.stack([first] * (len(counts) + 1))
        for picture, count in zip(shown, counts, strict=False):
            taken = [query.groups.members[group] for group in sample.ranked[:count]]
            places = np.concatenate([*taken, np.zeros(0, dtype=int)])
            picture.flat[places] = center.flat[places]
        shown[-1] = center
        entropies = np.array([_entropy(picture, query, image) for picture in shown])
        if not entropies[-1] > entropies[0]:
            return Measured(0.0, undefined="the blurred image has as much entropy as the whole one")
        explained = sample.explained("probability")
        heights = self.height(sample, explained.tensor(shown))
        told = np.clip((entropies - entropies[0]) / (entropies[-1] - entropies[0]), 0, 1)
        rising = np.flatnonzero(told[1:] > np.maximum.accumulate(told)[:-1]) + 1
        kept = np.concatenate([[0], rising])
        grid = np.linspace(0, 1, GRID)
        curve = np.interp(grid, told[kept], heights[kept])
        return Measured(float(np.trapezoid(curve, grid)), details={"curve": curve.tolist()})


def _image(query: Query) -> Plane:
    network = query.network
    if query.target.label_index is None:
        raise TargetError("information curves need a class, and the target has none")
    try:
        return plane(network.input_shape, network.card.layout)
    except GroupsError as error:
        raise InputError(f"information curves are of images: {error}") from error


def blurred(center: np.ndarray, image: Plane, start: float, seed: int) -> np.ndarray:
    """Every pixel like the nearest of a few random ones."""
    from scipy.spatial import KDTree

    count = len(image.pixels)
    kept = np.random.default_rng(seed).permutation(count)[: max(1, round(start * count))]
    places = np.stack(np.divmod(np.arange(count), image.columns), axis=1)
    nearest = np.asarray(KDTree(places[kept]).query(places)[1])
    found = center.copy()
    found.flat[image.pixels] = center.flat[image.pixels[kept[nearest]]]
    return found


def _entropy(picture: np.ndarray, query: Query, image: Plane) -> float:
    """Bits a pixel of the histogram of 256 grey levels over the input's own span."""
    center = query.box.center
    low, high = float(center.min()), float(center.max())
    grey = picture.flat[image.pixels].mean(axis=1)
    levels = np.rint((grey - low) / ((high - low) or 1.0) * 255).astype(int)
    shares = np.bincount(levels, minlength=256) / len(levels)
    shares = shares[shares > 0]
    return float(-(shares * np.log2(shares)).sum())
