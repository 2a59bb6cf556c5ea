"""Expected gradients: integrated gradients over random baselines."""

from dataclasses import dataclass

import numpy as np

from verixplain.attribution._base import Attribution, Explained, Scores, at_least
from verixplain.errors import SettingError
from verixplain.registry import methods


@methods.add
@dataclass(frozen=True)
class ExpectedGradients(Attribution):
    """Share of each input in the change from an average baseline, in units of the explained number.

    The mean of `(x - b) * gradient at b + a (x - b)` over baselines `b` and places `a` in [0, 1].

    Args:
        references: baselines to draw from, (count, *input shape); None draws them uniformly
            from the query's box.
        samples: pairs of baseline and place that are drawn.
        seed: of the draws.

    Source: Erion et al. 2021, arXiv:1906.10670.
    """

    references: np.ndarray | None = None
    samples: int = 200
    seed: int = 0

    @property
    def uses_box(self) -> bool:  # type: ignore[override]
        return self.references is None

    def check(self) -> None:
        at_least("samples", self.samples, 1)

    @property
    def cost(self) -> str:
        return f"{self.samples} gradients"

    def scores(self, explained: Explained) -> Scores:
        generator = np.random.default_rng(self.seed)
        starts = explained.representable(self._draw(explained, generator))
        places = explained.tensor(generator.random(self.samples))
        places = places.reshape(-1, *[1] * explained.x.ndim)
        ways = explained.x - starts
        found = (ways * explained.gradient(starts + places * ways, "samples")).mean(0)
        change = float(explained.value(explained.x[None])[0] - explained.value(starts).mean())
        delta = float(found.sum()) - change
        origin = "the query's box" if self.references is None else "the references"
        notes = (
            f"{self.samples} baselines drawn from {origin}, seed {self.seed}",
            f"completeness: the mean change from the baselines is {change:.6g} (delta {delta:.3g})",
        )
        arrays = {
            "baselines": starts.cpu().numpy(),
            "places": places.flatten().cpu().numpy(),
            "completeness_delta": np.array(delta),
        }
        return Scores(found, notes, arrays)

    def _draw(self, explained: Explained, generator: np.random.Generator) -> np.ndarray:
        box = explained.query.box
        if self.references is None:
            share = generator.random((self.samples, *box.center.shape))
            return box.lower + share * (box.upper - box.lower)
        references = np.asarray(self.references, dtype=np.float64)
        if references.shape[1:] != box.center.shape or not len(references):
            raise SettingError(
                f"references are {references.shape}, but must be (count, *{box.center.shape})"
            )
        return references[generator.integers(len(references), size=self.samples)]
