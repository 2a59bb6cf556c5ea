"""The gradient itself."""

from dataclasses import dataclass

from verixplain.attribution._base import Attribution, Explained, Scores
from verixplain.registry import methods


@methods.add
@dataclass(frozen=True)
class Saliency(Attribution):
    """Slope of the explained number at the input, per unit of each input.

    Args:
        absolute: the slope's size, as it is often shown, instead of the slope.

    Source: Simonyan, Vedaldi and Zisserman 2014, arXiv:1312.6034.
    """

    absolute: bool = False

    sanity = "maps change with the class and with the weights of every layer (passes both checks)"

    def scores(self, explained: Explained) -> Scores:
        slope = explained.gradient(explained.x[None])[0]
        return Scores(slope.abs() if self.absolute else slope)
