"""SIC: the class's softmax over the information shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from verixplain.metrics._base import Sample
from verixplain.metrics._information import Information
from verixplain.registry import metrics

DRAWS = 200
"""Of the inputs, for the standard error of a median curve."""


@metrics.add
@dataclass(frozen=True)
class SIC(Information):
    """Area under the class's softmax, as a share of that of the whole image, at most 1.

    Of many inputs it is the area under the median curve. Its standard error is that of 200 draws
    of the inputs with replacement. Inputs without a curve (`undefined`) are not in it.

    Source: Kapishnikov et al. 2019, arXiv:1906.02825 (XRAI), softmax information curve, with
    entropy for the size of a compressed file.
    """

    unit = "share of the softmax of the whole image"
    pools = "area under the median curve"

    def height(self, sample: Sample, points: torch.Tensor) -> np.ndarray:
        values = sample.explained("probability").value(points).cpu().numpy()
        return np.minimum(values / values[-1], 1.0)

    def pooled(self, rows: Sequence[Mapping[str, Any]]) -> tuple[float, float | None]:
        curves = np.array([row["details"]["curve"] for row in rows if not row["undefined"]])
        if not len(curves):
            return 0.0, None
        drawn = np.random.default_rng(self.seed).integers(len(curves), size=(DRAWS, len(curves)))
        areas = [_area(np.median(curves[some], axis=0)) for some in drawn]
        spread = float(np.std(areas, ddof=1)) if len(curves) > 1 else None
        return _area(np.median(curves, axis=0)), spread


def _area(curve: np.ndarray) -> float:
    return float(np.trapezoid(curve, dx=1 / (len(curve) - 1)))
