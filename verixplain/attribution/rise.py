"""RISE: how high the explained number is while an input is seen through random masks."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from verixplain.attribution._base import Attribution, Baseline, Explained, Scores, at_least
from verixplain.attribution._image import image_of, over_pixels
from verixplain.attribution._path import baseline_in_words
from verixplain.errors import SettingError
from verixplain.features import Plane
from verixplain.registry import methods


@methods.add
@dataclass(frozen=True)
class RISE(Attribution):
    """Mean of the explained number over random masks, weighted by how much each input is seen.

    The probability is explained by default, as published. Masks of an image are coarse random
    grids, enlarged bilinearly and shifted at random; elsewhere each input is masked by itself.

    Args:
        masks: how many are drawn.
        cells: of the coarse grid, on each side.
        share: probability that a cell is seen.
        baseline: what masked inputs are set to.
        seed: of the masks.

    Source: Petsiuk, Das and Saenko 2018, arXiv:1806.07421.
    """

    masks: int = 2000
    cells: int = 7
    share: float = 0.5
    baseline: Baseline = 0.0
    seed: int = 0
    quantity: str = "probability"

    needs = "any network; more masks than inputs"
    keeps_ignored_at_zero = False

    def check(self) -> None:
        at_least("masks", self.masks, 1)
        at_least("cells", self.cells, 1)
        if not 0 < self.share <= 1:
            raise SettingError(f"share must lie above 0 and at most at 1, not {self.share!r}")

    @property
    def cost(self) -> str:
        return f"{self.masks} evaluations"

    def scores(self, explained: Explained) -> Scores:
        image, shape = image_of(explained), tuple(explained.x.shape)
        generator = np.random.default_rng(self.seed)
        cells = shape if image is None else (self.cells, self.cells)
        grids = generator.random((self.masks, *cells)) < self.share
        shifts = generator.random((self.masks, 2))
        start = explained.baseline(self.baseline)
        total = torch.zeros_like(explained.x)
        for begin in range(0, self.masks, self.batch):
            part = slice(begin, begin + self.batch)
            seen = explained.tensor(grids[part])
            if image is not None:
                seen = over_pixels(image, _enlarged(seen, shifts[part], image), shape)
            values = explained.value(start + seen * (explained.x - start))
            total += (values.reshape(-1, *[1] * start.ndim) * seen).sum(0)
            explained.tell("masks", begin + len(seen), self.masks)
        note = f"{self.masks} masks, seed {self.seed}, {baseline_in_words(self.baseline)}"
        return Scores(total / (self.masks * self.share), (note,))


def _enlarged(grids: Tensor, shifts: np.ndarray, image: Plane) -> Tensor:
    """Coarse grids (masks, cells, cells) at the image's size, one cell larger and then cut."""
    cells = grids.shape[-1]
    cell = [-(-size // cells) for size in (image.rows, image.columns)]
    size = tuple((cells + 1) * n for n in cell)
    large = F.interpolate(grids[:, None], size=size, mode="bilinear", align_corners=False)[:, 0]
    corners = (shifts * cell).astype(int)
    parts = [
        one[row : row + image.rows, column : column + image.columns]
        for one, (row, column) in zip(large, corners, strict=True)
    ]
    return torch.stack(parts)
