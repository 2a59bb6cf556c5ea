"""Audit: how much of a map's top k stands up to the verified order."""

from dataclasses import dataclass

import numpy as np

from verixplain.attribution._base import at_least
from verixplain.errors import InputError
from verixplain.metrics._base import Measured, Metric, Sample
from verixplain.registry import metrics


@metrics.add
@dataclass(frozen=True)
class Audit(Metric):
    """Share of a map's k best groups that are among the k truly most important in the box.

    A group is among them where the verified order puts it above all but k - 1 of the others,
    and is not where k others stand above it; the rest is undecided. The importance is EVA's, over
    the reals, and what decides is an `estimate`: no checker has seen the bounds.

    Args:
        k: how many groups; at most as many as there are.

    Source: ours; rule 2 decides pairs, and counting them decides membership.
    """

    k: int = 5

    kind = "agreement"
    direction = "higher"
    unit = "share of the k best groups"
    range = (0.0, 1.0)
    needs = "verified map"

    def __post_init__(self) -> None:
        at_least("k", self.k, 1)

    def measure(self, sample: Sample) -> Measured:
        order = sample.verified.order
        if order is None:
            raise InputError("the verified map has no order; explain it with `verixplain.explain`")
        k = min(self.k, len(order.above))
        among = order.above.sum(axis=1) >= len(order.above) - k
        out = order.above.sum(axis=0) >= k
        best = sample.ranked[:k]
        held, refuted = int(among[best].sum()), int(out[best].sum())
        return Measured(
            held / k,
            details={
                "k": k,
                "in": held,
                "out": refuted,
                "undecided": k - held - refuted,
                "decided_groups": int(np.sum(among | out)),
                "status": order.status,
            },
        )
