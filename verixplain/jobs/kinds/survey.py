"""Look at a model and the inputs meant for it; no result of a job, but what planning needs."""

from collections.abc import Mapping
from typing import Any

from verixplain.errors import VerixplainError
from verixplain.jobs.parts import kinds


@kinds.add
def survey(task: Mapping[str, Any]) -> dict[str, Any]:
    """The model's hash and card, and for every input its number, hash and label, or its error."""
    from verixplain.inspection import crown_memory
    from verixplain.jobs.data import inputs
    from verixplain.jobs.work import network_of, said
    from verixplain.report.json import array_sha256

    network = network_of(task["model"])
    found: dict[str, list[dict[str, Any]]] = {}
    for name, (address, raw) in task["data"].items():
        lines = found.setdefault(name, [])
        try:
            file = inputs(address, network, raw)
        except VerixplainError as error:
            lines.append({"index": None, "error": said(error)})
            continue
        for index in file.indices:
            try:
                given = file.read(index)
            except VerixplainError as error:
                lines.append({"index": index, "error": said(error)})
                continue
            digest = array_sha256(given.values)
            lines.append({"index": index, "sha256": digest, "label": given.label})
    try:
        memory = crown_memory(network).total
    except VerixplainError:
        memory = None
    return {
        "facts": {
            "sha256": network.sha256,
            "card": {k: v for k, v in network.card.to_dict().items() if k != "provenance"},
            "inputs": _size(network.input_shape),
            "crown_bytes": memory,
            "data": found,
        }
    }


def _size(shape: tuple[int, ...]) -> int:
    size = 1
    for n in shape:
        size *= n
    return size
