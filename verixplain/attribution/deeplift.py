"""DeepLIFT with the rescale rule."""

from dataclasses import dataclass

import numpy as np

from verixplain.attribution._base import Attribution, Baseline, Explained, Scores
from verixplain.attribution._path import baseline_in_words, completeness
from verixplain.attribution._rescale import multipliers
from verixplain.registry import methods


@methods.add
@dataclass(frozen=True)
class DeepLIFT(Attribution):
    """Share of each input in the change from a baseline, in units of the explained number.

    Through every function of one number goes the ratio of its differences instead of its slope.
    Products of two varying values and softmax inside the network keep their slope, and the scores
    then do not add up; the note says by how much.

    Args:
        baseline: what the input is compared with.

    Source: Shrikumar, Greenside and Kundaje 2017, arXiv:1704.02685.
    """

    baseline: Baseline = 0.0

    @property
    def cost(self) -> str:
        return "1 gradient and 1 evaluation"

    def scores(self, explained: Explained) -> Scores:
        start = explained.baseline(self.baseline)
        found = (explained.x - start) * multipliers(explained, start)
        delta, words = completeness(explained, start, found)
        arrays = {"completeness_delta": np.array(delta)}
        return Scores(found, (baseline_in_words(self.baseline), words), arrays)
