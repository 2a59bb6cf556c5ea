"""CROWN."""

from dataclasses import dataclass

from torch import Tensor

from verixplain.bounds import Engine, Found
from verixplain.bounds.enclosure import enclose
from verixplain.registry import bound_methods


@bound_methods.add
@dataclass(frozen=True)
class Crown:
    """Linear relaxation backwards, for every intermediate bound and for the rows.

    Source: Zhang et al. 2018, arXiv:1811.00866; computed by auto_LiRPA (Xu et al. 2020,
    arXiv:2002.12920).
    """

    def run(self, engine: Engine, lower: Tensor, upper: Tensor, rows: Tensor) -> Found:
        return run(engine, "crown", lower, upper, rows)


def run(
    engine: Engine, method: str, lower: Tensor, upper: Tensor, rows: Tensor, **settings
) -> Found:
    """One call of auto_LiRPA, its intermediate bounds cut with intervals of our own."""
    values = enclose(engine.exact, lower.double(), upper.double(), engine.widen)
    reference = {name: engine.outward(known.lower, known.upper) for name, known in values.items()}
    low, high, spent, used = engine.graph.bounds(
        method,
        lower,
        upper,
        rows.expand(len(lower), *rows.shape).contiguous(),
        reference,
        settings,
        engine.rows_at_once(values, len(rows), len(lower)),
        engine.widen,
    )
    return Found(low, high, spent, used)
