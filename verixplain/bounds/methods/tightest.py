"""The tightest of several methods."""

from dataclasses import dataclass

import torch
from torch import Tensor

from verixplain.bounds import Engine, Found, method_named
from verixplain.registry import bound_methods


@bound_methods.add
@dataclass(frozen=True)
class Tightest:
    """Run several methods and keep, row by row, the tightest bound each one found.

    Sound because every part is: an interval that holds the truth still holds it when cut with
    another interval that does.

    Source: ours.
    """

    methods: tuple[str, ...] = ("interval", "crown-ibp", "crown")

    def run(self, engine: Engine, lower: Tensor, upper: Tensor, rows: Tensor) -> Found:
        parts = [method_named(name).run(engine, lower, upper, rows) for name in self.methods]
        return Found(
            torch.stack([part.lower.double() for part in parts]).amax(0),
            torch.stack([part.upper.double() for part in parts]).amin(0),
            torch.stack([part.allowance.double() for part in parts]).amax(0),
            widest([part.values for part in parts]),
        )


def widest(parts: list) -> dict[str, tuple[Tensor, Tensor]]:
    """Intermediate bounds that hold what every part used; values some part lacks are left out."""
    names = set.intersection(*[set(values) for values in parts if values] or [set()])
    used = [values for values in parts if values]
    return {
        name: (
            torch.stack([values[name][0] for values in used]).amin(0),
            torch.stack([values[name][1] for values in used]).amax(0),
        )
        for name in names
    }
