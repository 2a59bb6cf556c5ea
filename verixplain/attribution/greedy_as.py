"""Greedy-AS: groups taken one after another, those whose moves lower the distortion most."""

import time
from dataclasses import dataclass

import numpy as np

from verixplain.attack.distortion import Freed
from verixplain.attack.pgd import PGD
from verixplain.attribution._base import Method, Progress, at_least
from verixplain.errors import SettingError
from verixplain.explanation import Explanation
from verixplain.query import Query
from verixplain.registry import methods

SHARE = 0.2
"""Chance that a group is free beside those already taken."""


@methods.add
@dataclass(frozen=True)
class GreedyAS(Method):
    """Order in which groups are taken so that moving them alone soon changes the decision.

    In each round random sets of groups are freed beside those already taken, and the smallest
    L-infinity move at which an attack changes the decision is regressed on who was free. The
    groups that lower it most are taken. Scores are ranks: 1 for the group taken first, 0 for what
    is never taken.

    Args:
        subsets: random sets a round; there should be more than groups.
        step: groups taken a round, as a share of all; at least one.
        taken: groups taken in all, as a share.
        steps, rounds: of the attack (PGD), and how often a radius is halved.
        seed: of the sets and of the attack.

    Source: Hsieh et al. 2021, arXiv:2006.00442 (Greedy-AS for Robustness-Sr), here in L-infinity.
    """

    subsets: int = 400
    step: float = 0.1
    taken: float = 0.3
    steps: int = 10
    rounds: int = 5
    seed: int = 0

    needs = "a network with several classes, or a threshold"
    keeps_ignored_at_zero = False

    def __post_init__(self) -> None:
        at_least("subsets", self.subsets, 2)
        at_least("rounds", self.rounds, 1)
        PGD(self.steps, 1, self.seed)
        if not 0 < self.step <= self.taken <= 1:
            raise SettingError(
                f"step and taken must lie above 0, at most at 1, and step not above taken; they "
                f"are {self.step!r} and {self.taken!r}"
            )

    @property
    def cost(self) -> str:
        rounds = -(-self.taken // self.step)
        return f"about {rounds * self.subsets * self.rounds * self.steps:.0f} gradients"

    def explain(self, query: Query, progress: Progress | None = None) -> Explanation:
        """Take groups round by round.

        Raises:
            TargetError: the decision does not stand at the input itself.
        """
        begin, groups = time.perf_counter(), len(query.groups)
        generator = np.random.default_rng(self.seed)
        each, most = max(1, round(self.step * groups)), max(1, round(self.taken * groups))
        taken = np.zeros(groups, dtype=bool)
        scores = np.zeros(groups)
        while taken.sum() < most:
            rest = np.flatnonzero(~taken)
            drawn = generator.random((self.subsets, len(rest))) < SHARE
            gain = -_slopes(drawn, self._radii(query, taken, rest, drawn))
            best = rest[np.argsort(-gain, kind="stable")[: min(each, most - taken.sum())]]
            scores[best] = most - taken.sum() - np.arange(len(best))
            taken[best] = True
            if progress is not None:
                progress("groups", int(taken.sum()), most)
        return Explanation(
            query=query,
            method=self.name,
            guarantee=self.guarantee,
            group_scores=scores / most,
            settings=self.settings(),
            timing={"total": time.perf_counter() - begin},
            notes=(
                f"explained is the order in which {most} of {groups} groups are taken so that "
                "little moves of them change the decision; scores are ranks, and radii are an "
                "attack's, so nothing is proved",
            ),
        )

    def _radii(
        self, query: Query, taken: np.ndarray, rest: np.ndarray, drawn: np.ndarray
    ) -> np.ndarray:
        """The attack's radius of every drawn set beside those already taken."""
        chosen = np.repeat(taken[None], len(drawn), axis=0)
        chosen[:, rest] = drawn
        free = (chosen.astype(np.float32) @ query.groups.memberships()) > 0
        return Freed(query, free).attacked(PGD(self.steps, 1, self.seed), self.rounds)[0]


def _slopes(drawn: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Least squares of the values on who was drawn, with a constant: (groups,)."""
    table = np.column_stack([np.ones(len(drawn)), drawn])
    return np.linalg.lstsq(table, values, rcond=None)[0][1:]
