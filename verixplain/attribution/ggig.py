"""GGIG: gradients collected while climbing from every point of a straight path."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from verixplain.attribution._base import (
    Attribution,
    Baseline,
    Explained,
    Scores,
    at_least,
    one_of,
)  # fmt: skip
from verixplain.attribution._path import baseline_in_words
from verixplain.errors import SettingError
from verixplain.registry import methods


@methods.add
@dataclass(frozen=True)
class GGIG(Attribution):
    """Largest slope of the explained number met while climbing from points of a straight path.

    Per unit of each input. From each of `steps + 1` points between baseline and input, both
    included, `iterations` gradient steps climb; of the gradients met from one point the largest
    stands, entry by entry. `max` takes the largest over the points too (GGIG-Max), `integrated`
    the trapezoid mean (GGIG-IG).

    Args:
        baseline: where the path begins.
        steps: of the path; 0 climbs from the input alone.
        iterations: gradients collected from every point.
        rate: of the climb. With `scale` range, the first step at the input moves its most
            sensitive number by `rate` times the data range; with absolute, it multiplies the
            gradient, as published.
        scale: range or absolute.
        variant: max or integrated.
        reduce: signed keeps the largest gradient, absolute the largest in size.
        clip: whether climbs stay within the data range of the model's card.

    Source: Rahman, Lewis and Plis 2022, arXiv:2206.05903.
    """

    baseline: Baseline = 0.0
    steps: int = 50
    iterations: int = 20
    rate: float = 0.01
    scale: str = "range"
    variant: str = "max"
    reduce: str = "signed"
    clip: bool = False

    def check(self) -> None:
        at_least("steps", self.steps, 0)
        at_least("iterations", self.iterations, 1)
        at_least("rate", self.rate, 0)
        one_of("scale", self.scale, ("range", "absolute"))
        one_of("variant", self.variant, ("max", "integrated"))
        one_of("reduce", self.reduce, ("signed", "absolute"))

    @property
    def cost(self) -> str:
        return f"{(self.steps + 1) * self.iterations} gradients"

    def scores(self, explained: Explained) -> Scores:
        start = explained.baseline(self.baseline)
        places = torch.linspace(0, 1, self.steps + 1) if self.steps else torch.ones(1)
        places = explained.tensor(places).reshape(-1, *[1] * start.ndim)
        begin = start + places * (explained.x - start)
        begin[-1] = explained.x
        rate, ends = self._rate(explained), self._ends(explained)
        points, best = begin, None
        for number in range(self.iterations):
            slopes = explained.gradient(points)
            best = slopes if best is None else self._larger(best, slopes)
            points = points + rate * slopes
            if ends is not None:
                points = torch.minimum(torch.maximum(points, ends[0]), ends[1])
            explained.tell("climb", number + 1, self.iterations)
        moved = (points - begin).flatten(1).norm(dim=1)
        note = (
            f"{baseline_in_words(self.baseline)}, {len(begin)} points, {self.iterations} steps of "
            f"rate {rate:.4g}: the climbs moved by {float(moved.mean()):.4g} on average, "
            f"{float(moved.max()):.4g} at most (L2); the path is "
            f"{float((explained.x - start).norm()):.4g} long"
        )
        found = self._over_points(best)  # type: ignore[arg-type]
        return Scores(found, (note,), {"displacement": moved.cpu().numpy()})

    def _larger(self, one: Tensor, other: Tensor) -> Tensor:
        if self.reduce == "signed":
            return torch.maximum(one, other)
        return torch.where(other.abs() > one.abs(), other, one)

    def _over_points(self, slopes: Tensor) -> Tensor:
        if self.variant == "integrated" and len(slopes) > 1:
            return ((slopes[:-1] + slopes[1:]) / 2).mean(0)
        best = slopes[0]
        for other in slopes[1:]:
            best = self._larger(best, other)
        return best

    def _rate(self, explained: Explained) -> float:
        """What gradients are multiplied with in every step."""
        if self.scale == "absolute":
            return self.rate
        steepest = float(explained.gradient(explained.x[None]).abs().max())
        ends = explained.network.card.clip(tuple(explained.x.shape))
        span = float(explained.x.max() - explained.x.min())
        if ends is not None:
            span = float(np.max(np.asarray(ends[1]) - np.asarray(ends[0])))
        return self.rate * span / steepest if steepest > 0 else 0.0

    def _ends(self, explained: Explained) -> tuple[Tensor, Tensor] | None:
        if not self.clip:
            return None
        ends = explained.network.card.clip(tuple(explained.x.shape))
        if ends is None:
            raise SettingError("clip needs the data range, which the model's card does not say")
        return explained.tensor(ends[0]), explained.tensor(ends[1])
