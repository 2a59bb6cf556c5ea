"""Prove claims about one input within a budget, as `certify --out` does."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from verixplain.jobs.kinds._asked import asked_of
from verixplain.jobs.kinds.explain import told
from verixplain.jobs.parts import kinds


@kinds.add
def certify(task: Mapping[str, Any]) -> dict[str, Any]:
    """The files that `certify --out` writes, with the claims and the input's class."""
    from verixplain.certificate.issue import issue
    from verixplain.certify.run import certify as proved
    from verixplain.explainer import made
    from verixplain.report.claims import save_claims

    asked = asked_of(task)
    if asked.query is None:
        return asked.refusal
    names, budget, options = task["claims"], task["budget"], dict(task["options"])
    if task["question"].get("radius") == "max":
        options["radius"] = "max"
    method = made("eva", dict(task["settings"]))
    found = issue(proved(asked.query, names, method, options=options, budget=budget))
    with tempfile.TemporaryDirectory() as folder:
        save_claims(found, folder, asked.record, budget)
        files = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
    claims = []
    for number, (name, ended) in enumerate(zip(names, found.claims, strict=True)):
        claim = {"id": name, "kind": ended.kind, **told(ended.finding)}
        claim["stopped_by"] = ended.stopped_by
        if ended.finding.certificate is not None:
            claim["semantics"] = ended.finding.semantics
            claim["certificate"] = f"claim-{number}.vxcert"
        claims.append(claim)
    facts = {**asked.facts, "guarantee": found.explanation.guarantee}
    return {"claims": claims, "files": files, "facts": facts}
