"""What mu-fidelity and infidelity share: what random subsets of groups are worth."""

from dataclasses import dataclass

import numpy as np
import torch

from verixplain.attribution._base import QUANTITIES, Baseline, at_least, one_of
from verixplain.metrics._base import Metric, Sample, share


@dataclass(frozen=True)
class Subsets(Metric):
    """Random subsets of groups: what the map says of them against what replacing them costs.

    Args:
        subsets: how many are drawn.
        size: of each, as a share of the groups; at least one group.
        baseline: what their inputs are replaced by, in the model's units.
        quantity: class (the output), margin or probability.
        seed: of the draws.
    """

    subsets: int = 200
    size: float = 0.2
    baseline: Baseline = 0.0
    quantity: str = "class"
    seed: int = 0

    kind = "faithfulness"
    looks_at = "logits"
    replaces = "0 in the model's units"

    def __post_init__(self) -> None:
        at_least("subsets", self.subsets, 2)
        share("size", self.size)
        one_of("quantity", self.quantity, QUANTITIES)

    def drawn(self, sample: Sample) -> tuple[np.ndarray, np.ndarray]:
        """Sums of scores over every subset, and falls of the number when it is replaced."""
        explained, groups = sample.explained(self.quantity), sample.explanation.query.groups
        generator = np.random.default_rng(self.seed)
        count = max(1, round(self.size * len(groups)))
        chosen = np.stack([generator.permutation(len(groups))[:count] for _ in range(self.subsets)])
        sums = sample.scores[chosen].sum(axis=1)
        mask = np.zeros((self.subsets, explained.x.numel()), dtype=bool)
        for row, subset in zip(mask, chosen, strict=True):
            row[np.concatenate([groups.members[group] for group in subset])] = True
        held = torch.as_tensor(mask.reshape(-1, *explained.x.shape), device=explained.x.device)
        points = torch.where(held, explained.baseline(self.baseline), explained.x)
        falls = explained.value(explained.x[None]) - explained.value(points)
        return sums, falls.cpu().numpy()
