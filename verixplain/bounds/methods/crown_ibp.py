"""CROWN-IBP."""

from dataclasses import dataclass

from torch import Tensor

from verixplain.bounds import Engine, Found
from verixplain.bounds.methods.crown import run
from verixplain.registry import bound_methods


@bound_methods.add
@dataclass(frozen=True)
class CrownIbp:
    """Intervals for the intermediate bounds, linear relaxation backwards for the rows.

    Source: Zhang et al. 2020, arXiv:1906.06316.
    """

    def run(self, engine: Engine, lower: Tensor, upper: Tensor, rows: Tensor) -> Found:
        return run(engine, "crown-ibp", lower, upper, rows)
