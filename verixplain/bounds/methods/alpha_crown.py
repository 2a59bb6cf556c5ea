"""alpha-CROWN."""

from dataclasses import dataclass

import torch
from torch import Tensor

from verixplain.bounds import Engine, Found
from verixplain.bounds.methods.crown import run
from verixplain.errors import SettingError
from verixplain.network.primitives import Univariate
from verixplain.registry import bound_methods


@bound_methods.add
@dataclass(frozen=True)
class AlphaCrown:
    """CROWN whose ReLU slopes are optimised by gradient, box by box and row by row.

    Args:
        iterations: steps of the optimisation.
        rate: learning rate of the slopes.

    Source: Xu et al. 2021, arXiv:2011.13824.
    """

    iterations: int = 20
    rate: float = 0.5

    def __post_init__(self) -> None:
        if not (self.iterations >= 1 and self.rate > 0):
            raise SettingError(
                "alpha-crown needs iterations >= 1 and rate > 0, "
                f"not {self.iterations}, {self.rate}"
            )

    def run(self, engine: Engine, lower: Tensor, upper: Tensor, rows: Tensor) -> Found:
        # CROWN first: its intermediate bounds limit what the optimisation may use, and with
        # that the magnitudes that rounding depends on.
        plain = run(engine, "crown", lower, upper, rows)
        if not _has_slopes(engine, plain):
            return plain
        low, high, spent, _ = engine.graph.bounds(
            "alpha-crown",
            lower,
            upper,
            rows.expand(len(lower), *rows.shape).contiguous(),
            plain.values,
            {"iteration": self.iterations, "lr_alpha": self.rate},
            widen=engine.widen,
        )
        return Found(
            torch.maximum(plain.lower, low),
            torch.minimum(plain.upper, high),
            torch.maximum(plain.allowance, spent),
            plain.values,
        )


def _has_slopes(engine: Engine, plain: Found) -> bool:
    """Whether any neuron is left whose slope can be chosen."""
    optimisable = {
        step.inputs[0]
        for step in engine.plan.steps
        if isinstance(step.kind, Univariate) and step.kind.native
    }
    return any(
        bool(((low < 0) & (high > 0)).any())
        for name, (low, high) in plain.values.items()
        if name in optimisable
    )
