"""Interval bound propagation."""

from dataclasses import dataclass

from torch import Tensor

from verixplain.bounds import Engine, Found
from verixplain.bounds.enclosure import enclose
from verixplain.registry import bound_methods


@bound_methods.add
@dataclass(frozen=True)
class Interval:
    """Every value by the ends of its inputs: cheapest, and loose on networks not trained for it.

    Our own pass and not auto_LiRPA's, whose interval bound of an inner Softmax is unsound; it
    is always in float64.

    Source: Gowal et al. 2018, arXiv:1810.12715.
    """

    def run(self, engine: Engine, lower: Tensor, upper: Tensor, rows: Tensor) -> Found:
        enclosure = enclose(engine.exact, lower.double(), upper.double(), engine.unit)
        known = enclosure.rows(rows.double(), rows.new_zeros(len(rows)).double())
        return Found(known.lower, known.upper)
