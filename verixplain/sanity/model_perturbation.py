"""Model perturbation: whether maps stay as long as the prediction does."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from verixplain.attribution._weights import Weights, changed
from verixplain.errors import SettingError
from verixplain.network import Network
from verixplain.query import Query
from verixplain.registry import checks
from verixplain.sanity._base import Check, Variant, on


@checks.add
@dataclass(frozen=True)
class ModelPerturbation(Check):
    """Maps of networks with noise on their weights, to be read against the class's softmax.

    Noise is a share of every tensor's own deviation, and the same draw at every level. Maps should
    stay where the score stays, and go where it goes.

    Args:
        levels: of the noise in percent, with commas between.
        seed: of the noise.

    Source: Rahman, Lewis and Plis 2022, arXiv:2206.05903.
    """

    levels: str = "10,20,30,40,60,80,100"
    seed: int = 0

    def __post_init__(self) -> None:
        self.parsed_levels()

    def parsed_levels(self) -> list[float]:
        """The levels as shares.

        Raises:
            SettingError: they are none.
        """
        try:
            found = [float(part) / 100 for part in str(self.levels).split(",")]
        except ValueError:
            found = []
        if not found or not all(one > 0 for one in found):
            raise SettingError(f"levels are {self.levels!r}; give percents above 0 as 10,50,100")
        return found

    def variants(self, query: Query) -> Iterator[Variant]:
        for level in self.parsed_levels():
            network = _perturbed(query.network, level, self.seed)
            yield Variant(f"noise of {100 * level:g} %", level, on(query, network))


@lru_cache(maxsize=64)
def _perturbed(network: Network, level: float, seed: int) -> Network:
    generator, constants = np.random.default_rng(seed), {}
    for name in Weights().names(network):
        old = network.graph.constants[name]
        drawn = generator.standard_normal(old.shape) * old.std() * level
        constants[name] = (old + drawn).astype(old.dtype)
    return changed(network, constants)
