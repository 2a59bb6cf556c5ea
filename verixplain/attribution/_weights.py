"""Networks with noise on their weights.

The given network is never touched: noise goes on a copy of the graph's constants, and the copy is
built anew. So a weight that several nodes share is noised once, bounds see the noise too, and
there is nothing to put back, whatever happens.
"""

import copy
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import torch

from verixplain.attribution._base import Method, Progress, at_least, method_named, one_of
from verixplain.errors import NoBoundaryError, NotFiniteError, TargetError, UnsupportedMethodError
from verixplain.explanation import Explanation
from verixplain.network import Network
from verixplain.network.build import build, sites
from verixplain.network.parity import Parity
from verixplain.query import Box, Query

PLACES = {
    "Conv": ((1,), (2,)),
    "ConvTranspose": ((1,), (2,)),
    "Gemm": ((1,), (2,)),
    "MatMul": ((0, 1), ()),
    "BatchNormalization": ((1,), (2,)),
    "LayerNormalization": ((1,), (2,)),
    "PRelu": ((1,), ()),
}
"""Which inputs of an operator are its weights, and which its biases."""

AFTER_WEIGHTS = {"Add": ((), (0, 1)), "Sub": ((), (0, 1)), "Sum": ((), tuple(range(9))),
                 "Mul": ((0, 1), ()), "Div": ((0, 1), ())}  # fmt: skip
"""The same for operators whose constants before any weight are preprocessing."""

NORMALISATIONS = ("BatchNormalization", "LayerNormalization")


@dataclass(frozen=True)
class Weights:
    """Which constants of a network are noised.

    Args:
        layers: patterns of ONNX node names with commas between, such as `conv*,/5/Gemm`.
        biases, normalisations: whether biases, and layers that normalise, are noised too.
    """

    layers: str = "*"
    biases: bool = True
    normalisations: bool = True

    def layers_of(self, network: Network) -> dict[str, list[str]]:
        """Names of the constants by the node that they belong to, in the order of the nodes.

        A node that only adds a bias belongs to the layer before it; a constant that several nodes
        share belongs to the first.

        Raises:
            UnsupportedMethodError: there is none.
        """
        patterns = self.layers.split(",")
        constants = network.graph.constants
        found: dict[str, list[str]] = {}
        seen: set[str] = set()
        for site in sites(network.graph):
            operator = site.node.operator
            weights, biases = PLACES.get(operator, ((), ()))
            if operator in AFTER_WEIGHTS and site.after_weights:
                weights, biases = AFTER_WEIGHTS[operator]
            if operator in NORMALISATIONS and not self.normalisations:
                continue
            if not any(fnmatchcase(site.node.name, pattern) for pattern in patterns):
                continue
            for number in (*weights, *(biases if self.biases else ())):
                if not site.is_constant(number):
                    continue
                name = site.node.inputs[number]
                if name in seen or not np.issubdtype(constants[name].dtype, np.floating):
                    continue
                seen.add(name)
                layer = site.node.name if number in weights or not found else list(found)[-1]
                found.setdefault(layer, []).append(name)
        if not found:
            raise UnsupportedMethodError(
                f"network {network.name!r} has no weights in layers {self.layers!r}, so noise on "
                "weights would change nothing"
            )
        return found

    def names(self, network: Network) -> list[str]:
        """Names of the constants, each once, in the order of the nodes.

        Raises:
            UnsupportedMethodError: there is none.
        """
        return [name for layer in self.layers_of(network).values() for name in layer]


def changed(network: Network, constants: dict[str, np.ndarray]) -> Network:
    """A copy of the network with some constants replaced; the network stays as it is."""
    graph = replace(network.graph, constants={**network.graph.constants, **constants}, shapes={})
    other = copy.copy(network)
    for name in ("plan", "runtime", "_engines"):
        other.__dict__.pop(name, None)
    other._copies = {}
    with torch.random.fork_rng(devices=[]):  # torch draws initial weights, which are replaced
        other.graph, other.module = build(graph, network.input_dtype)
    other.parity = Parity(None, None, 0, "its weights were changed on purpose")
    return other


def noised(
    network: Network,
    deviation: float,
    draws: int,
    seed: Any,
    weights: Weights | None = None,
    additive: bool = False,
) -> Iterator[Network]:
    """Copies with Gaussian noise: weights times `1 + deviation z`, or plus `deviation z`.

    The same seed gives the same z whatever the deviation.
    """
    generator = np.random.default_rng(seed)
    names = (weights or Weights()).names(network)
    for _ in range(draws):
        constants = {}
        for name in names:
            old = network.graph.constants[name]
            drawn = deviation * generator.standard_normal(old.shape)
            new = old.astype(np.float64) + (drawn if additive else old * drawn)
            constants[name] = new.astype(old.dtype)
        yield changed(network, constants)


@dataclass(frozen=True)
class Averaged(Method):
    """Any method, averaged over networks with noise on their weights.

    Args:
        base: the method, or its name.
        draws: networks.
        deviation: of the noise that weights are multiplied with (its mean is 1).
        additive: adds noise of this deviation instead.
        reduce: signed averages scores, absolute averages their sizes.
        seed: of the noise.
        layers, biases, normalisations: which weights are noised, see `Weights`.
    """

    base: Any = "saliency"
    draws: int = 25
    deviation: float = 0.2
    additive: bool = False
    reduce: str = "signed"
    seed: int = 0
    layers: str = "*"
    biases: bool = True
    normalisations: bool = True

    needs = "a network with weights, and what the base method needs"

    def __post_init__(self) -> None:
        method_named(self.base)
        at_least("draws", self.draws, 1)
        at_least("deviation", self.deviation, 0)
        one_of("reduce", self.reduce, ("signed", "absolute"))

    @property
    def cost(self) -> str:
        return f"{self.draws} times that of the base method"

    @property
    def uses_box(self) -> bool:  # type: ignore[override]
        return method_named(self.base).uses_box

    @property
    def weights(self) -> Weights:
        """Which weights are noised."""
        return Weights(self.layers, self.biases, self.normalisations)

    def settings(self) -> dict[str, Any]:
        base = method_named(self.base)
        return {**super().settings(), "base": {"name": base.name, **base.settings()}}

    def centers(self, query: Query) -> np.ndarray:
        """The inputs at which every network is explained: (count, *input shape)."""
        return query.box.center[None]

    def explain(self, query: Query, progress: Progress | None = None) -> Explanation:
        """Explain every noised network, and average.

        Networks or inputs at which the base method finds no boundary are left out and counted.

        Raises:
            NoBoundaryError: they all are.
        """
        begin = time.perf_counter()
        base, centers = method_named(self.base), self.centers(query)
        found: list[Explanation] = []
        networks = noised(
            query.network,
            self.deviation,
            self.draws,
            [self.seed, 1],
            self.weights,
            self.additive,
        )
        for number, network in enumerate(networks, start=1):
            for center in centers:
                try:
                    found.append(base.explain(moved(query, network, center)))
                except (NoBoundaryError, TargetError):
                    continue
            if progress is not None:
                progress("networks", number, self.draws)
        total = self.draws * len(centers)
        if not found:
            raise NoBoundaryError(f"{base.name} explained none of {total} noised copies")
        size = np.abs if self.reduce == "absolute" else np.asarray
        scores = np.mean([size(one.group_scores) for one in found], axis=0)
        laid = None
        if found[0].map is not None:
            laid = np.mean([size(one.scores) for one in found], axis=0)
            scores = np.array([laid.flat[group].sum() for group in query.groups.members])
        kind = "added" if self.additive else "multiplied"
        note = (
            f"{self.reduce} mean of {base.name} over {self.draws} networks with noise of standard "
            f"deviation {self.deviation:.6g} {kind} to weights (seed {self.seed})"
        )
        left_out = (f"{total - len(found)} of {total} copies left out: the decision does not "
                    "stand there, or no boundary was found",)  # fmt: skip
        return Explanation(
            query=query,
            method=self.name,
            guarantee="none",
            group_scores=scores,
            settings=self.settings(),
            map=laid,
            arrays={"centers": centers} if len(centers) > 1 else {},
            timing={"total": time.perf_counter() - begin},
            notes=(note, *(left_out if len(found) < total else ()), *found[0].notes[:1]),
        )


def moved(query: Query, network: Network, center: np.ndarray) -> Query:
    """The query on another network, its box moved to another center."""
    box = query.box
    if (center != box.center).any():
        lower = np.minimum(center + (box.lower - box.center), center)
        upper = np.maximum(center + (box.upper - box.center), center)
        box = Box(center, lower, upper)
    return Query(network, box, query.target, query.groups)


def finite(outputs: np.ndarray) -> np.ndarray:
    """Outputs, refused where noise made them infinite."""
    if not np.isfinite(outputs).all():
        raise NotFiniteError("noise on the weights made an output infinite; use a smaller one")
    return outputs
