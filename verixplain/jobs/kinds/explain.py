"""Explain one input, and say what is claimed of it."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from verixplain.jobs.kinds._asked import asked_of
from verixplain.jobs.parts import kinds

if TYPE_CHECKING:
    from verixplain.certify.claim import Finding
    from verixplain.explanation import Explanation


@kinds.add
def explain(task: Mapping[str, Any]) -> dict[str, Any]:
    """An explanation as `explain --out` writes it, with its claims and the input's class."""
    from verixplain.explainer import explain as explained
    from verixplain.report import FILES, save

    asked = asked_of(task)
    if asked.query is None:
        return asked.refusal
    found = explained(asked.query, task["method"], top_k=task["top_k"], **task["settings"])
    found, findings = judged(found, task["claims"])
    with tempfile.TemporaryDirectory() as folder:
        save(found, folder, asked.record)
        files = {name: (Path(folder) / name).read_bytes() for name in FILES}
    facts = {**asked.facts, "guarantee": found.guarantee}
    made = []
    for name in task["claims"]:
        claim: dict[str, Any] = {"id": name, "kind": name.partition(":")[0]}
        finding = findings.get(name)
        if finding is None:
            reason = f"{found.method} bounds nothing"
            made.append({**claim, "status": "unsupported", "reason": reason})
            continue
        claim |= told(finding)
        if finding.certificate is not None:
            place = f"{name.replace(':', '-').replace(',', '-')}.vxcert"
            claim |= {"semantics": finding.semantics, "certificate": place}
            files[place] = finding.certificate
        made.append(claim)
    return {"claims": made, "files": files, "facts": facts}


def told(finding: "Finding") -> dict[str, Any]:
    """What the ledger keeps of a claim."""
    said = {"status": finding.status, "statement": finding.statement, "bound": finding.bound}
    return {**said, **(finding.details or {})}


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
