"""Explain one input, and say what is claimed of it."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from verixplain.jobs.parts import kinds

if TYPE_CHECKING:
    from verixplain.certify.claim import Finding
    from verixplain.explanation import Explanation


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
    found, findings = judged(found, task["claims"])
    words = asked.to_dict()
    record = {**words, "input": given.source, "label": given.label, "read_as": given.units}
    with tempfile.TemporaryDirectory() as folder:
        save(found, folder, record)
        files = {name: (Path(folder) / name).read_bytes() for name in FILES}
    facts["guarantee"] = found.guarantee
    made = []
    for name in task["claims"]:
        claim: dict[str, Any] = {"id": name, "kind": name.partition(":")[0]}
        finding = findings.get(name)
        if finding is None:
            reason = f"{found.method} bounds nothing"
            made.append({**claim, "status": "unsupported", "reason": reason})
            continue
        claim |= {"status": finding.status, "statement": finding.statement, "bound": finding.bound}
        claim |= finding.details or {}
        if finding.certificate is not None:
            place = f"{name.replace(':', '-').replace(',', '-')}.vxcert"
            claim |= {"semantics": finding.semantics, "certificate": place}
            files[place] = finding.certificate
        made.append(claim)
    return {"claims": made, "files": files, "facts": facts}


def judged(
    found: "Explanation", names: Sequence[str]
) -> tuple["Explanation", dict[str, "Finding"]]:
    """What is known of claims about an explanation, and it with what the checker accepts.

    No finding of a claim where the method bounds nothing.
    """
    from verixplain.certificate.issue import issue
    from verixplain.certify.claim import Proved, claim_named
    from verixplain.certify.run import Certified, Outcome

    if found.overlaps is None or found.order is None or found.top_k is None:
        return found, {}
    proved = Proved(found.query, found.group_scores, found.overlaps, found.order)
    outcomes = []
    for name in names:
        kind, part = claim_named(f"top-k:{found.top_k.k}" if name == "top-k" else name)
        outcomes.append(Outcome(kind, part.parameters, part.judge(proved), "settled", 0.0, 0))
    said = issue(Certified(found, tuple(outcomes), 0.0))
    findings = [one.finding for one in said.claims]
    return said.explanation, dict(zip(names, findings, strict=True))
