"""AIC: whether the class wins, over the information shown."""

from dataclasses import dataclass

import numpy as np
import torch

from verixplain.metrics._base import Sample
from verixplain.metrics._information import Information
from verixplain.registry import metrics


@metrics.add
@dataclass(frozen=True)
class AIC(Information):
    """Share of the information axis on which the class that is explained wins.

    Its mean over many inputs is the area under the curve of the accuracy.

    Source: Kapishnikov et al. 2019, arXiv:1906.02825 (XRAI), accuracy information curve, with
    entropy for the size of a compressed file.
    """

    unit = "share of the information axis"

    def height(self, sample: Sample, points: torch.Tensor) -> np.ndarray:
        margins = sample.explained("margin").value(points).cpu().numpy()
        return (margins > 0).astype(float)
