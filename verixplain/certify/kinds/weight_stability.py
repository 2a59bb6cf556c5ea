"""A gradient map stays what it is, whatever the weights of a box around the network's."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from verixplain.attribution._weights import changed
from verixplain.certify.claim import Finding, Task, claim_kinds
from verixplain.certify.kinds._maps import NOT_SURE, described, method_in, top_in_words
from verixplain.certify.maps._goals import TopK
from verixplain.certify.maps._search import MapSearch
from verixplain.certify.maps._weights import weight_names
from verixplain.errors import SettingError
from verixplain.network import Network

_DRAWS = 32
"""Networks at corners of the box of weights that are tried."""


@claim_kinds.add
class WeightStabilityClaim:
    """The k features with the largest scores, in size, are the same for every network of a box.

    Its networks have every weight within a share of the weight's size: what NoiseGrad and checks
    by model perturbation sample. It holds for every input of the query's box too; with the radius
    0 that is the input alone.

    Args:
        words: a method whose map has bounds, and its settings.
        sigma_box: the share.
        top_k: k; by default 1.
    """

    options = ("sigma_box", "top_k")

    def __init__(self, words: str, sigma_box: float | None = None, top_k: int = 1) -> None:
        usage = "weight-stability:METHOD[,NAME=VALUE...]"
        if sigma_box is None or not 0 <= sigma_box < 1:
            raise SettingError(f"{usage} needs --sigma-box, at least 0 and below 1")
        if top_k < 1:
            raise SettingError(f"the number of largest scores is at least 1, not {top_k}")
        self.explained_by, self.share, self.k = method_in(words, usage), sigma_box, top_k
        self.parameters = {"method": words, "sigma_box": sigma_box, "top_k": top_k}

    def prove(self, task: Task) -> Iterator[Finding]:
        """One bound; a search for weights that refute it; then smaller boxes of inputs."""
        search = MapSearch(task, self.explained_by, self.k)
        goal = TopK.at(search.start, self.k)
        if goal is None:
            yield Finding("unknown", NOT_SURE)
            return
        statement = (
            f"{top_in_words(goal.members, task.query.groups.names)}, for every weight within "
            f"{self.share:g} of its size and every input of the box"
        )
        search.loosened(self.share)
        attacked, box = False, task.query.box
        for proof in search.proofs(box.lower, box.upper, goal, narrow=True):
            details, arrays = described(search, proof)
            details["steps_with_weights"] = len(search.map.slopes.loose)
            status = "estimate" if proof.holds else "unknown"
            yield Finding(status, statement, details=details, arrays=arrays)
            if not attacked and not proof.holds:
                attacked = True
                found = self._attacked(task, goal)
                if found is not None:
                    yield Finding("refuted", statement, details=details, arrays=found)
                    return

    def _attacked(self, task: Task, goal: TopK) -> dict[str, np.ndarray] | None:
        """The constants of a network in the box whose map at the input is certainly another."""
        query, center = task.query, task.query.box.center
        weights = weight_names(query.network)
        generator = np.random.default_rng(task.method.seed)
        label = query.network(center[None])[0].argmax()
        for number in range(_DRAWS):
            task.progress("networks", number, _DRAWS)
            constants = {
                name: moved(query.network, name, self.share, generator) for name in weights
            }
            network = changed(query.network, constants)
            same = network(center[None])[0].argmax() == label
            other = MapSearch(_about(task, network), self.explained_by, self.k)
            if same and goal.broken(other.start):
                return {f"weights:{name}": array for name, array in constants.items()}
            if task.budget.over():
                break
        return None


def moved(network: Network, name: str, share: float, generator: np.random.Generator) -> np.ndarray:
    """A constant with every number moved as far as it may be, up or down, in its own type."""
    old = network.graph.constants[name]
    exact = old.astype(np.float64)
    new = (exact * (1 + share * generator.choice([-1.0, 1.0], old.shape))).astype(old.dtype)
    far = np.abs(new.astype(np.float64) - exact) > np.nextafter(share * np.abs(exact), 0)
    return np.where(far, np.nextafter(new, old), new)


def _about(task: Task, network: Network) -> Task:
    """The same task about another network."""
    return replace(task, query=replace(task.query, network=network))
