"""Which features are among the largest of a map smoothed by noise: sampled, never proved.

Under Gaussian noise on the input every feature is among the k largest with some probability. The
smoothed map asks which features are so more often than not. Votes of noisy copies bound each
probability from both sides (Clopper and Pearson, for all features at once by Bonferroni); a
feature whose bounds hold one half abstains. By the smoothing theorem, one whose probability is at
least p keeps its side within the L2 distance `sigma * Phi^-1(p)`.

Source: arXiv:2506.15499, after Cohen, Rosenfeld and Kolter 2019, arXiv:1902.02918.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from verixplain.attribution._base import Attribution, at_least
from verixplain.attribution._weights import moved
from verixplain.certify.claim import Finding, Task, claim_kinds
from verixplain.certify.kinds._maps import settings_in
from verixplain.errors import SettingError
from verixplain.registry import methods

_EVERY = 100
"""Samples after which the counts are told."""


@claim_kinds.add
class SmoothedMapClaim:
    """Which features are among the k largest of the smoothed map, and within which L2 distance.

    Sampled, so its status is never better than `unknown`; confidence and samples are in the claim.
    It works for every method and network that can be run.

    Args:
        words: a method, then `sigma` (deviation of the noise, in the model's units), `samples`,
            `confidence`, and settings of the method.
        top_k: k; by default 1.
    """

    options = ("top_k",)

    def __init__(self, words: str, top_k: int = 1) -> None:
        usage = "map-stability-smoothed:METHOD[,sigma=N,samples=N,confidence=P,NAME=VALUE...]"
        name, chosen = settings_in(words, usage)
        self.sigma = chosen.pop("sigma", 0.1)
        self.samples = chosen.pop("samples", 1000)
        self.confidence = chosen.pop("confidence", 0.999)
        at_least("the number of largest scores", top_k, 1)
        at_least("samples", self.samples, 1)
        if not (isinstance(self.sigma, int | float) and 0 < self.sigma < np.inf):
            raise SettingError(f"sigma must be above 0, not {self.sigma!r}")
        if not (isinstance(self.confidence, float) and 0 < self.confidence < 1):
            raise SettingError(f"the confidence lies between 0 and 1; not {self.confidence!r}")
        try:
            method = methods[name](**chosen)
        except TypeError as error:
            raise SettingError(f"method {name!r}: {error}") from error
        if not isinstance(method, Attribution):
            raise SettingError(f"{name} cannot be smoothed here; methods of single inputs can")
        self.explained_by, self.k = method, top_k
        self.parameters = {
            "method": words,
            "top_k": top_k,
            "sigma": self.sigma,
            "samples": self.samples,
            "confidence": self.confidence,
        }

    def prove(self, task: Task) -> Iterator[Finding]:
        """Nothing is proved: votes are counted, and said to be votes."""
        query, box = task.query, task.query.box
        count = len(query.groups)
        if self.k > count:
            raise SettingError(f"the {self.k} largest of {count} features are asked")
        votes = np.zeros(count, dtype=np.int64)
        generator = np.random.default_rng(task.method.seed)
        for number in range(1, int(self.samples) + 1):
            noise = self.sigma * generator.standard_normal(box.center.shape)
            point = (box.center + noise).astype(query.network.input_dtype).astype(np.float64)
            scores = self.explained_by.explain(moved(query, query.network, point)).group_scores
            votes[np.abs(scores).argsort(kind="stable")[::-1][: self.k]] += 1
            task.progress("samples", number, int(self.samples))
            if task.budget.step() or number % _EVERY == 0 or number == self.samples:
                yield self._finding(votes, number)

    def _finding(self, votes: np.ndarray, samples: int) -> Finding:
        low, high = bounds(votes, samples, (1 - self.confidence) / len(votes))
        member, other = low > 0.5, high < 0.5
        sure = np.where(member, low, np.where(other, 1 - high, 0.5))
        details: dict[str, Any] = {
            "guarantee": "empirical",
            "confidence": self.confidence,
            "samples": samples,
            "members": np.flatnonzero(member).tolist(),
            "others": int(other.sum()),
            "abstained": int((~member & ~other).sum()),
        }
        statement = (
            f"empirical, by {samples} samples, with confidence {self.confidence:g}: of the "
            f"{self.k} largest scores of the smoothed map {int(member.sum())} are known, "
            f"{int(other.sum())} features are not among them, "
            f"{details['abstained']} abstain; each within an L2 distance of its own"
        )
        arrays = {"votes": votes.copy(), "member": member, "other": other,
                  "radius_l2": self.sigma * _quantile(sure)}  # fmt: skip
        return Finding("unknown", statement, details=details, arrays=arrays)


def bounds(votes: np.ndarray, samples: int, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Clopper and Pearson's two-sided bounds of probabilities, each wrong with at most `alpha`."""
    from scipy.stats import beta

    low = np.where(votes > 0, beta.ppf(alpha / 2, votes, samples - votes + 1), 0.0)
    high = np.where(votes < samples, beta.ppf(1 - alpha / 2, votes + 1, samples - votes), 1.0)
    return low, high


def _quantile(probability: np.ndarray) -> np.ndarray:
    from scipy.stats import norm

    return norm.ppf(probability)
