"""SARIF 2.1.0 for code scanning: what is refuted or open.

What holds is left out, because readers are known to list passes as findings.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from verixplain.report.guarantee.formats import (
    ERROR,
    FAILED,
    OPEN,
    formats,
    named,
    sentence,
    verdict,
)

_KINDS = {FAILED: ("fail", "error"), OPEN: ("open", "none"), ERROR: ("open", "none")}


@formats.add
def sarif(report: Mapping[str, Any], data: bytes) -> tuple[str, bytes]:
    """One result for every claim that is refuted, undecided, or ended in an error."""
    kinds = sorted(report["kinds"])
    results, notes = [], []
    for item in report["items"]:
        if item["outcome"] != "done":
            text = f"{named(item)}: {item['outcome']}: {item['reason']}"
            notes.append({"level": "error", "message": {"text": text}})
        for claim in item["claims"]:
            found = _KINDS.get(verdict(claim["status"], report))
            if found is not None:
                results.append(_result(item, claim, kinds.index(claim["kind"]), *found))
    run = {
        "tool": {
            "driver": {
                "name": report["tool"]["name"],
                "semanticVersion": report["tool"]["version"],
                "rules": [_rule(kind, report["kinds"][kind]) for kind in kinds],
            }
        },
        "invocations": [
            {
                "executionSuccessful": not any(i["outcome"] == "error" for i in report["items"]),
                "endTimeUtc": report["created"],
                "toolExecutionNotifications": notes,
            }
        ],
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    schema = "https://json.schemastore.org/sarif-2.1.0.json"
    values = {"$schema": schema, "version": "2.1.0", "runs": [run]}
    return "report.sarif", (json.dumps(values, indent=1) + "\n").encode()


def _rule(kind: str, words: Mapping[str, str]) -> dict[str, Any]:
    about = words["says"] or f"a claim of the kind {kind}"
    return {"id": kind, "shortDescription": {"text": about}}


def _result(
    item: Mapping[str, Any], claim: Mapping[str, Any], rule: int, kind: str, level: str
) -> dict[str, Any]:
    about = json.dumps([named(item), claim["kind"], claim["parameters"]], sort_keys=True)
    model = quote(f"{item['model']}.onnx", safe="")
    return {
        "ruleId": claim["kind"],
        "ruleIndex": rule,
        "kind": kind,
        "level": level,
        "message": {"text": f"{named(item)}: {sentence(claim)}"},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": model}}}],
        "partialFingerprints": {
            "verixplainClaim/v1": hashlib.sha256(about.encode()).hexdigest(),
        },
        "properties": {"item": item["number"], "status": claim["status"]},
    }
