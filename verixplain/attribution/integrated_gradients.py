"""Integrated gradients."""

from dataclasses import dataclass

import numpy as np

from verixplain.attribution._base import Attribution, Baseline, Explained, Scores
from verixplain.attribution._path import baseline_in_words, completeness, mean_gradient, nodes
from verixplain.registry import methods


@methods.add
@dataclass(frozen=True)
class IntegratedGradients(Attribution):
    """Share of each input in the change from a baseline, in units of the explained number.

    `(x - b)` times the gradient averaged over the straight path from `b` to `x`.

    Args:
        baseline: `b`, one number or an input.
        steps: gradients on the path.
        rule: midpoint, gauss-legendre, trapezoid, left or right.

    Source: Sundararajan, Taly and Yan 2017, arXiv:1703.01365.
    """

    baseline: Baseline = 0.0
    steps: int = 50
    rule: str = "midpoint"

    sanity = "maps change with the class and with the weights of every layer (passes both checks)"

    def check(self) -> None:
        nodes(self.rule, self.steps)

    @property
    def cost(self) -> str:
        return f"{self.steps} gradients"

    def scores(self, explained: Explained) -> Scores:
        start = explained.baseline(self.baseline)
        found = (explained.x - start) * mean_gradient(explained, start, self.rule, self.steps)
        delta, words = completeness(explained, start, found)
        notes = (f"{baseline_in_words(self.baseline)}, {self.steps} steps, {self.rule} rule", words)
        return Scores(found, notes, {"completeness_delta": np.array(delta)})
