"""SIC: the class's softmax over the information shown."""

from dataclasses import dataclass

import numpy as np
import torch

from verixplain.metrics._base import Sample
from verixplain.metrics._information import Information
from verixplain.registry import metrics


@metrics.add
@dataclass(frozen=True)
class SIC(Information):
    """Area under the class's softmax, as a share of that of the whole image, at most 1.

    Source: Kapishnikov et al. 2019, arXiv:1906.02825 (XRAI), softmax information curve, with
    entropy for the size of a compressed file; the area of every input, not of a median curve.
    """

    unit = "share of the softmax of the whole image"

    def height(self, sample: Sample, points: torch.Tensor) -> np.ndarray:
        values = sample.explained("probability").value(points).cpu().numpy()
        return np.minimum(values / values[-1], 1.0)
