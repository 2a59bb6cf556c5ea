"""A finished report, read by who was not there: was anything changed, do the certificates hold?"""

import json
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from verixplain.errors import ReportError
from verixplain.report.guarantee.document import canonical, validate
from verixplain.report.guarantee.evidence import Evidence, changed
from verixplain.report.guarantee.recheck import recheck, without_certificate


@dataclass(frozen=True)
class Answer:
    """What the checker says of one certificate today.

    Args:
        item: number of the item.
        claim: its statement.
        certificate: path in the report.
        verdict: the checker's, or "" where there was no model to check it with.
        reason: why the claim is not certified any more; "" otherwise.
    """

    item: int
    claim: str
    certificate: str
    verdict: str
    reason: str


def is_report(folder: str | Path) -> bool:
    """Whether a folder is a finished report."""
    return Path(folder, "report.json").is_file()


def audit(folder: str | Path, models: Iterable[str | Path] = ()) -> list[Answer]:
    """Hold every file of a report against report.json, and ask the checker again.

    Args:
        folder: of the report.
        models: ONNX files, told by their SHA-256.

    Raises:
        ReportError: a file was changed, or a claim shown as certified is not; the message lists
            all of them.
    """
    folder = Path(folder)
    report = _read(folder)
    lines = [f"evidence/{line}" for line in changed(folder / "evidence", report["files"])]
    lines += changed(folder, report["pages"])
    if lines:
        raise ReportError("files of the report were changed:\n  " + "\n  ".join(lines))
    evidence = Evidence(report["source"], report["title"], folder / "evidence")
    evidence.items = [_item(item) for item in report["items"]]
    without_certificate(evidence)
    recheck(evidence, models)
    answers, wrong = [], []
    for shown, item in zip(report["items"], evidence.items, strict=True):
        for before, claim in zip(shown["claims"], item["claims"], strict=True):
            if claim["certificate"] is not None:
                path = f"{item['folder']}/{claim['certificate']}".removeprefix("./")
                checked = (claim["check"] or {}).get("verdict", "")
                answers.append(
                    Answer(
                        shown["number"],
                        claim["statement"] or claim["kind"],
                        f"evidence/{path}",
                        checked,
                        claim["reason"],
                    )
                )
            if before["status"] == "certified" and claim["status"] == "error":
                wrong.append(f"item {shown['number']}, {claim['id']}: {claim['reason']}")
    if wrong:
        raise ReportError("shown as certified, and not so:\n  " + "\n  ".join(wrong))
    return answers


def _read(folder: Path) -> dict[str, Any]:
    """report.json, which is what its schema says and in canonical form.

    Raises:
        ReportError: it is not.
    """
    data = (folder / "report.json").read_bytes()
    try:
        report = json.loads(data)
    except ValueError as error:
        raise ReportError(f"report.json is not JSON: {error}") from error
    wrong = validate(report)
    if wrong is not None:
        raise ReportError(f"report.json is not what its schema says: {wrong}")
    if canonical(report) != data:
        raise ReportError("report.json is not in canonical form (RFC 8785); its bytes were changed")
    return report


def _item(item: dict[str, Any]) -> dict[str, Any]:
    """An item as it was read from its source: claims with the status recorded there."""
    values = item["explanation"]
    claims = [
        {**deepcopy(claim), "status": claim["recorded"], "reason": "", "check": None}
        for claim in item["claims"]
    ]
    shown = values and {key: values[key] for key in ("guarantee", "overlap", "groups")}
    explanation = shown and {**shown, "model": {"sha256": values["model_sha256"]}}
    return {"folder": item["folder"], "claims": claims, "explanation": explanation}
