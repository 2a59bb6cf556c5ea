"""What an item about one input asks, read where the item runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from verixplain.query import Query


@dataclass(frozen=True)
class Asked:
    """The question of an item.

    Args:
        query: what is asked; None where it is not (see `refusal`).
        record: the request as it is kept with the answer.
        facts: predicted class, label, and whether they differ.
    """

    query: "Query | None"
    record: Mapping[str, Any]
    facts: Mapping[str, Any]

    @property
    def refusal(self) -> dict[str, Any]:
        """The result of an item whose input is not predicted as its label, where that counts."""
        predicted, wanted = self.facts["predicted"], self.record["label"]
        reason = f"misclassified: predicted as {predicted}, its label is {wanted}"
        return {"outcome": "not-run", "reason": reason, "facts": dict(self.facts)}


def asked_of(task: Mapping[str, Any]) -> Asked:
    """Load network and input, and put the question."""
    from verixplain.jobs.data import inputs
    from verixplain.jobs.work import network_of
    from verixplain.request import Request, predicted_label

    network = network_of(task["model"])
    file = inputs(task["address"], network, task["raw"])
    given = file.read(file.indices[0] if task["index"] is None else task["index"])
    predicted = predicted_label(network(given.values[None])[0], network.card.kind)
    facts = {
        "predicted": predicted,
        "label": given.label,
        "misclassified": None if given.label is None else predicted != given.label,
    }
    words = dict(task["question"])
    if words.get("clip") is not None:
        words["clip"] = tuple(words["clip"])
    wanted = words.get("target", given.label)
    if words.get("check_label") and wanted is not None and wanted != predicted:
        return Asked(None, {"label": wanted}, facts)
    request = Request(**words)
    record = {"input": given.source, "label": given.label, "read_as": given.units}
    return Asked(request.query(network, given), {**request.to_dict(), **record}, facts)
