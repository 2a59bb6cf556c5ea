"""Interval bound propagation."""

from dataclasses import dataclass

import torch
from torch import Tensor

from verixplain.bounds import Engine, Found
from verixplain.bounds.enclosure import Interval as Ends
from verixplain.bounds.enclosure import enclose, rows_of
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
        narrow = self._rows(engine, lower, upper, rows, widen=False)
        found = self._rows(engine, lower, upper, rows, widen=True) if engine.widen else narrow
        return Found(found.lower, found.upper, found.upper - narrow.upper)

    def _rows(
        self, engine: Engine, lower: Tensor, upper: Tensor, rows: Tensor, widen: bool
    ) -> Ends:
        values = enclose(engine.exact, lower.double(), upper.double(), widen)
        zero = torch.zeros(len(rows), dtype=torch.float64, device=rows.device)
        return rows_of(values[engine.exact.output], rows, zero, widen)
