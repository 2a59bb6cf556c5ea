"""An in-toto Statement v1 that binds the result to the models' bytes (test-result v0.1)."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from verixplain.report.guarantee.formats import (
    ERROR,
    FAILED,
    OPEN,
    PASSED,
    formats,
    named,
    verdict,
)


@formats.add
def in_toto(report: Mapping[str, Any], data: bytes) -> tuple[str, bytes]:
    """Subjects are the models; what was tested is a claim about an item.

    An item that was not done is a test as well: it failed with an error, or is a warning.
    """
    tests: dict[str, list[str]] = {PASSED: [], OPEN: [], FAILED: []}
    for item in report["items"]:
        found = [(claim["id"], claim["status"]) for claim in item["claims"]]
        if not found and item["outcome"] != "done":
            found = [("item", item["outcome"])]
        for name, status in found:
            word = verdict(status, report)
            word = FAILED if word == ERROR else word if word in tests else OPEN
            tests[word].append(f"{item['number']}: {named(item)}: {name}")
    made = {"name": "report.json", "digest": {"sha256": hashlib.sha256(data).hexdigest()}}
    models = [
        {"name": f"{model['name']}.onnx", "digest": {"sha256": model["sha256"]}}
        for model in report["models"]
    ]
    result = "FAILED" if tests[FAILED] else "WARNED" if tests[OPEN] else "PASSED"
    values = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": models or [made],
        "predicateType": "https://in-toto.io/attestation/test-result/v0.1",
        "predicate": {
            "result": result,
            "configuration": [made],
            "passedTests": tests[PASSED],
            "warnedTests": tests[OPEN],
            "failedTests": tests[FAILED],
        },
    }
    return "report.in-toto.json", (json.dumps(values, indent=1) + "\n").encode()
