"""Guided integrated gradients: a path that first moves what matters least."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from verixplain.attribution._base import Attribution, Baseline, Explained, Scores, at_least
from verixplain.attribution._path import baseline_in_words, completeness
from verixplain.errors import SettingError
from verixplain.registry import methods


@methods.add
@dataclass(frozen=True)
class GuidedIntegratedGradients(Attribution):
    """Share of each input in the change from a baseline along a path of small gradients.

    In units of the explained number. In every step the `fraction` of inputs with the smallest
    gradient moves, as far as the step goes, while no input is further than `distance` from
    where the straight path would have it.

    Args:
        baseline: where the path begins.
        steps: of the path; more gradients are not taken.
        fraction: of the inputs that may move at once.
        distance: largest distance from the straight path, as a share of it; 0 is that path.

    Source: Kapishnikov et al. 2021, arXiv:2106.09788.
    """

    baseline: Baseline = 0.0
    steps: int = 200
    fraction: float = 0.25
    distance: float = 0.02

    def check(self) -> None:
        at_least("steps", self.steps, 1)
        for name in ("fraction", "distance"):
            if not 0 <= getattr(self, name) <= 1:
                raise SettingError(f"{name} must lie in [0, 1], not {getattr(self, name)!r}")

    @property
    def cost(self) -> str:
        return f"{self.steps} gradients"

    def scores(self, explained: Explained) -> Scores:
        start = explained.baseline(self.baseline)
        way = (explained.x - start).flatten()
        moved = torch.zeros_like(way)  # how much of its way each input has gone
        found = torch.zeros_like(way)
        for step in range(1, self.steps + 1):
            point = start + (moved * way).reshape(start.shape)
            slope = explained.gradient(point[None])[0].flatten()
            place = step / self.steps
            after = self._advance(moved, way.abs(), slope.abs(), place)
            found += (after - moved) * way * slope
            moved = after
            explained.tell("path", step, self.steps)
        found = found.reshape(start.shape)
        delta, words = completeness(explained, start, found)
        notes = (f"{baseline_in_words(self.baseline)}, {self.steps} steps", words)
        return Scores(found, notes, {"completeness_delta": np.array(delta)})

    def _advance(self, moved: Tensor, lengths: Tensor, slopes: Tensor, place: float) -> Tensor:
        """How far inputs have gone after the step to `place`: `lengths` weigh what is left."""
        lowest, highest = max(place - self.distance, 0.0), min(place + self.distance, 1.0)
        moved = moved.clamp(min=lowest)
        while True:
            left = float(((1 - moved) * lengths).sum())
            excess = left - float((1 - place) * lengths.sum())
            free = (moved < highest) & (lengths > 0)
            if excess <= 1e-12 * float(lengths.sum()) or not free.any():
                return moved
            count = max(1, int(np.ceil(self.fraction * len(moved))))
            limit = slopes[free].sort().values[:count][-1]
            chosen = free & (slopes <= limit)
            room = float(((highest - moved) * lengths)[chosen].sum())
            share = min(1.0, excess / room)
            moved = torch.where(chosen, moved + share * (highest - moved), moved)
            if share < 1:
                return moved
            moved = torch.where(chosen, torch.full_like(moved, highest), moved)
