"""Gradient times input."""

from dataclasses import dataclass

from verixplain.attribution._base import Attribution, Explained, Scores
from verixplain.registry import methods


@methods.add
@dataclass(frozen=True)
class GradientTimesInput(Attribution):
    """First-order share of each input in the explained number, in its units.

    Source: Shrikumar et al. 2016, arXiv:1605.01713.
    """

    def scores(self, explained: Explained) -> Scores:
        return Scores(explained.x * explained.gradient(explained.x[None])[0])
