"""What deletion and insertion share: a curve along the ranked groups."""

from dataclasses import dataclass

import numpy as np
import torch

from verixplain.attribution._base import QUANTITIES, Baseline, at_least, one_of
from verixplain.errors import GroupsError
from verixplain.metrics._base import Measured, Metric, Sample


@dataclass(frozen=True)
class Removal(Metric):
    """Area under the curve of the class's softmax along the ranked groups.

    Args:
        steps: points of the curve after its first, as equal in groups as can be.
        baseline: what inputs are replaced by, in the model's units: a number, or an input.
        quantity: probability, class (the output) or margin; other than probability leaves the
            range [0, 1].
    """

    steps: int = 10
    baseline: Baseline = 0.0
    quantity: str = "probability"

    kind = "faithfulness"
    unit = "probability"
    range = (0.0, 1.0)
    looks_at = "probability"
    replaces = "0 in the model's units"

    removes = True
    """Whether the curve starts at the input and ends at the baseline, or the other way."""

    def __post_init__(self) -> None:
        at_least("steps", self.steps, 1)
        one_of("quantity", self.quantity, QUANTITIES)

    def measure(self, sample: Sample) -> Measured:
        explained = sample.explained(self.quantity)
        groups = sample.explanation.query.groups
        counts = np.unique(np.linspace(0, len(groups), self.steps + 1).astype(int))
        taken = np.zeros((len(counts), explained.x.numel()), dtype=bool)
        for row, count in zip(taken, counts, strict=True):
            for group in sample.ranked[:count]:
                row[groups.members[group]] = True
        if not groups.memberships().any(0).all():
            raise GroupsError("groups must hold every input, else the curve has no end")
        mask = torch.as_tensor(taken.reshape(-1, *explained.x.shape), device=explained.x.device)
        whole, nothing = explained.x, explained.baseline(self.baseline)
        points = (
            torch.where(mask, nothing, whole) if self.removes else torch.where(mask, whole, nothing)
        )
        curve = explained.value(points).cpu().numpy()
        places = counts / len(groups)
        return Measured(
            float(np.trapezoid(curve, places)),
            details={"shares": places.tolist(), "curve": curve.tolist()},
        )
