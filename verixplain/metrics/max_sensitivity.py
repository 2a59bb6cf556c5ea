"""Max-sensitivity: how far the map moves when the input hardly does."""

from dataclasses import dataclass

import numpy as np

from verixplain.attribution._base import at_least
from verixplain.attribution._weights import moved
from verixplain.errors import InputError, SettingError
from verixplain.metrics._base import Measured, Metric, Sample
from verixplain.registry import metrics


@metrics.add
@dataclass(frozen=True)
class MaxSensitivity(Metric):
    """Largest change of the map over random inputs nearby, as a share of the map (both L2).

    It is sampled, so the true largest change is at least this. The class that is explained stays.

    Args:
        samples: inputs nearby.
        radius: of the L-infinity ball that they are drawn from, in the model's units.
        seed: of the draws.

    Source: Yeh et al. 2019, arXiv:1901.09392, definition 2.
    """

    samples: int = 10
    radius: float = 0.02
    seed: int = 0

    kind = "robustness"
    direction = "lower"
    unit = "share of the map's L2 norm"
    range = (0.0, float("inf"))
    needs = "method"

    def __post_init__(self) -> None:
        at_least("samples", self.samples, 1)
        if not self.radius > 0:
            raise SettingError(f"radius must be above 0, not {self.radius!r}")

    def measure(self, sample: Sample) -> Measured:
        if sample.method is None:
            raise InputError("max-sensitivity explains again, so it needs the method")
        query, here = sample.explanation.query, sample.scores
        size = float(np.linalg.norm(here))
        if not size > 0:
            return Measured(0.0, undefined="every score is 0")
        generator, changes = np.random.default_rng(self.seed), []
        center, dtype = query.box.center, query.network.input_dtype
        clip = query.network.card.clip(center.shape)
        for _ in range(self.samples):
            near = center + generator.uniform(-self.radius, self.radius, center.shape)
            if clip is not None:
                near = np.clip(near, *clip)
            near = near.astype(dtype).astype(np.float64)
            there = sample.method.explain(moved(query, query.network, near)).group_scores
            changes.append(float(np.linalg.norm(there - here)) / size)
        return Measured(max(changes), details={"changes": changes})
