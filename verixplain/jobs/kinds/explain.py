"""Explain one input, and say what is claimed of it."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from verixplain.jobs.parts import claims, kinds


@kinds.add
def explain(task: Mapping[str, Any]) -> dict[str, Any]:
    """An explanation as `explain --out` writes it, with its claims and the input's class."""
    from verixplain.explainer import explain as explained
    from verixplain.jobs.data import inputs
    from verixplain.jobs.work import network_of
    from verixplain.report import FILES, save
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
    request = dict(task["question"])
    if request.get("clip") is not None:
        request["clip"] = tuple(request["clip"])
    wanted = request.get("target", given.label)
    if request.get("check_label") and wanted is not None and wanted != predicted:
        reason = f"misclassified: predicted as {predicted}, its label is {wanted}"
        return {"outcome": "not-run", "reason": reason, "facts": facts}
    asked = Request(**request)
    found = explained(
        asked.query(network, given), task["method"], top_k=task["top_k"], **task["settings"]
    )
    words = asked.to_dict()
    record = {**words, "input": given.source, "label": given.label, "read_as": given.units}
    with tempfile.TemporaryDirectory() as folder:
        save(found, folder, record)
        files = {name: (Path(folder) / name).read_bytes() for name in FILES}
    facts["guarantee"] = found.guarantee
    made = [{"id": name, "kind": name, **claims[name](found)} for name in task["claims"]]
    return {"claims": made, "files": files, "facts": facts}
