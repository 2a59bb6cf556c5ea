"""IoU: how well the positive groups cover the object."""

from dataclasses import dataclass

from verixplain.metrics._base import Measured, Metric, Sample
from verixplain.registry import metrics


@metrics.add
@dataclass(frozen=True)
class IoU(Metric):
    """Intersection over union of the groups with a positive score and those inside the mask.

    Source: Wang, Fredrikson and Datta 2022, arXiv:2103.11257 (PMLR 162), localisation; the
    threshold 0 is ours.
    """

    kind = "localisation"
    direction = "higher"
    unit = "share of the union"
    range = (0.0, 1.0)
    needs = "mask"

    def measure(self, sample: Sample) -> Measured:
        positive, inside = sample.scores > 0, sample.inside
        return Measured(float((positive & inside).sum() / (positive | inside).sum()))
