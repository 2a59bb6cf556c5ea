"""What every check shares: a query is varied, and the maps are compared."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from verixplain.attribution._weights import Weights, changed
from verixplain.network import Network
from verixplain.query import Query
from verixplain.registry import part_name


@dataclass(frozen=True, eq=False)
class Variant:
    """A query that differs in one thing from the one that is checked.

    Args:
        name: of what differs, in words; the same for every input.
        level: how much of it, from 0 to 1.
        query: to be explained.
    """

    name: str
    level: float
    query: Query


class Check:
    """A sanity check; its settings are its dataclass's fields."""

    @property
    def name(self) -> str:
        """The check's name, which is its file's."""
        return part_name(type(self).__module__)

    def settings(self) -> dict[str, Any]:
        """The fields by name."""
        return {one.name: getattr(self, one.name) for one in fields(self)}  # type: ignore[arg-type]

    def variants(self, query: Query) -> Iterator[Variant]:
        """The queries whose maps are compared with that of `query`, least varied first.

        Raises:
            TargetError, UnsupportedMethodError: the check cannot be made of this query.
        """
        raise NotImplementedError


def redrawn(network: Network, layers: list[str], seed: int) -> Network:
    """The network with these layers' weights drawn anew, with each tensor's mean and deviation."""
    known, constants = Weights().layers_of(network), {}
    for layer in layers:
        for name in known[layer]:
            old = network.graph.constants[name]
            generator = np.random.default_rng([seed, *name.encode()])
            drawn = generator.normal(old.mean(), old.std(), old.shape)
            constants[name] = drawn.astype(old.dtype)
    return changed(network, constants)


def on(query: Query, network: Network) -> Query:
    """The same question about another network."""
    return replace(query, network=network)
