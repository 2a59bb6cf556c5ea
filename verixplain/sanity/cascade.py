"""Cascading randomisation: whether maps depend on the weights of every layer."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from verixplain.attribution._weights import Weights
from verixplain.network import Network
from verixplain.query import Query
from verixplain.registry import checks
from verixplain.sanity._base import Check, Variant, on, redrawn


@checks.add
@dataclass(frozen=True)
class Cascade(Check):
    """Maps of networks whose layers are drawn anew, from the last one down to the first.

    New weights are Gaussian with the mean and deviation of the old ones. A method whose maps stay
    the same does not look at what was learnt.

    Args:
        seed: of the weights.

    Source: Adebayo et al. 2018, arXiv:1810.03292.
    """

    seed: int = 0

    def variants(self, query: Query) -> Iterator[Variant]:
        layers = list(Weights().layers_of(query.network))[::-1]
        for count, layer in enumerate(layers, start=1):
            network = _redrawn(query.network, count, self.seed)
            yield Variant(f"down to {layer}", count / len(layers), on(query, network))


@lru_cache(maxsize=64)
def _redrawn(network: Network, count: int, seed: int) -> Network:
    return redrawn(network, list(Weights().layers_of(network))[-count:], seed)
