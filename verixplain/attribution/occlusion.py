"""Occlusion: what is lost when a window is covered."""

from dataclasses import dataclass

import torch
from captum.attr import Occlusion as Sliding
from torch import Tensor

from verixplain.attribution._base import Attribution, Baseline, Explained, Scores, at_least
from verixplain.attribution._image import image_of
from verixplain.attribution._path import baseline_in_words
from verixplain.registry import methods


@methods.add
@dataclass(frozen=True)
class Occlusion(Attribution):
    """Fall of the explained number when a sliding window is set to the baseline, in its units.

    An input's score is the mean over the windows it is in. On an image a window is a square of
    pixels with all their channels; elsewhere it is one input.

    Args:
        window: side of the window in pixels.
        stride: how far the window moves each time.
        baseline: what covered inputs are set to.

    Source: Zeiler and Fergus 2014, arXiv:1311.2901.
    """

    window: int = 3
    stride: int = 1
    baseline: Baseline = 0.0

    keeps_ignored_at_zero = False

    def check(self) -> None:
        at_least("window", self.window, 1)
        at_least("stride", self.stride, 1)

    @property
    def cost(self) -> str:
        return "1 evaluation a window"

    def scores(self, explained: Explained) -> Scores:
        image = image_of(explained)
        if image is None:
            places = torch.arange(explained.x.numel())[None]
            shapes, strides = (1, 1), (1, 1)
        else:
            places = torch.as_tensor(image.pixels.T.reshape(-1, image.rows, image.columns))
            side = min(self.window, image.rows), min(self.window, image.columns)
            step = min(self.stride, side[0]), min(self.stride, side[1])
            shapes, strides = (len(places), *side), (len(places), *step)
        back = torch.argsort(places.flatten()).to(explained.x.device)
        places = places.to(explained.x.device)

        def seen(pictures: Tensor) -> Tensor:
            """The explained number of (batch, channels, rows, columns)."""
            points = pictures.flatten(1)[:, back].reshape(-1, *explained.x.shape)
            return explained.value(points)

        found = Sliding(seen).attribute(
            explained.x.flatten()[places][None],
            sliding_window_shapes=shapes,
            strides=strides,
            baselines=explained.baseline(self.baseline).flatten()[places][None],
            perturbations_per_eval=self.batch,
        )
        covered = f"{shapes[-2]}x{shapes[-1]} pixels" if image is not None else "one input"
        note = f"windows of {covered}, {baseline_in_words(self.baseline)}"
        return Scores(found.flatten()[back].reshape(explained.x.shape), (note,))
