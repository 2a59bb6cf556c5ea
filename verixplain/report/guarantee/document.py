"""report.json: everything that a report says, from which pages and other formats follow."""

import hashlib
import platform
import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import rfc8785

from verixplain import __version__
from verixplain.jobs.summary import exit_code, summary
from verixplain.report.guarantee.coverage import CONFIDENCE, coverage
from verixplain.report.guarantee.evidence import Evidence, numbers_of, witness_of, wrong
from verixplain.report.guarantee.sentences import sentences
from verixplain.report.guarantee.trace import TRACE
from verixplain.report.json import plain

SCHEMA = "report/1"
MOST_GROUPS = 60
"""Groups of an item that the report shows; explanation.json has all."""

MOST_MOVES = 12
"""Inputs of a witness that are listed."""

_EXPLAINED = (
    "method", "settings", "guarantee", "bound", "engine", "prediction", "target", "grouping",
    "input", "box", "overlap", "order", "top_k", "notes", "request", "environment",
)  # fmt: skip

_KEPT = (
    "folder", "model", "data", "index", "question", "method", "outcome", "reason", "seconds",
    "facts", "claims",
)  # fmt: skip

ASSUMPTIONS = (
    "Every claim is about one model file, one input and one box. Nothing is said about inputs "
    "outside the boxes; the coverage speaks of other inputs only as far as those here are an "
    "independent sample of them.",
    "Preprocessing outside the ONNX file is not part of any claim: boxes are in the units that "
    "the model's input has.",
    "certified: the independent checker, which needs Python and numpy only and shares no code "
    "with what it checks, derived the claim again. Trusted are that checker, numpy's conventional "
    "inner products in float64, Python, and the processor.",
    "estimate: sound bounds in float64 with a computed allowance for rounding say so, and nothing "
    "has checked them. Trusted are, besides, torch, the bound library and the code of verixplain.",
    "refuted: a point of the box shows it in ONNX Runtime; the witness is a file of this report.",
    "Scores of methods without enclosures, and everything called empirical, are computed or "
    "sampled numbers; nothing is proved about them.",
)


def document(
    evidence: Evidence,
    *,
    checked: bool,
    require: str = "estimate",
    supersedes: str | None = None,
    created: datetime | None = None,
) -> dict[str, Any]:
    """The report as plain values (`schemas/report-1.json`), without its pages.

    Args:
        evidence: items with the statuses that they are to be shown with.
        checked: whether the checker was asked again about every certificate.
        require: the weakest status that counts as holding.
        supersedes: SHA-256 of the report.json that this one replaces.
        created: now, where it is not given.
    """
    items = evidence.items
    counted = summary(items)
    kinds = {claim["kind"] for item in items for claim in item["claims"]}
    values = {
        "schema": SCHEMA,
        "title": evidence.name,
        "created": (created or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "tool": {
            "name": "verixplain",
            "version": __version__,
            "python": platform.python_version(),
            "platform": platform.platform(),
        },
        "supersedes": supersedes,
        "signature": {"algorithm": "Ed25519", "file": "report.json.sig"},
        "source": evidence.kind,
        "checked": checked,
        "require": require,
        "exit_code": exit_code(items, require),
        "summary": {
            key: counted[key] for key in ("items", "outcomes", "claims", "misclassified", "seconds")
        },
        "confidence": CONFIDENCE,
        "coverage": coverage(items),
        "models": _models(items),
        "items": [_item(n, item, evidence.folder) for n, item in enumerate(items, start=1)],
        "kinds": {kind: sentences(kind) for kind in sorted(kinds)},
        "assumptions": [*ASSUMPTIONS, *_checkers(items)],
        "reproduction": _reproduction(evidence),
        "trace": [
            dict(zip(("source", "clause", "about", "supported_by"), row, strict=True))
            for row in TRACE
        ],
        "files": sorted(evidence.files, key=lambda file: file["path"]),
        "pages": [],
    }
    return _encodable(plain(values))


def canonical(values: Mapping[str, Any]) -> bytes:
    """The bytes of report.json: the JSON Canonicalization Scheme (RFC 8785)."""
    return rfc8785.dumps(dict(values))


def validate(values: Mapping[str, Any]) -> str | None:
    """What is wrong with a report according to its published schema; None if nothing is."""
    return wrong(values, "report-1.json")


def sha256(data: bytes) -> str:
    """Of the bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def _models(items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    found = {}
    for item in items:
        if item["explanation"]:
            model = item["explanation"]["model"]
            found.setdefault(model["sha256"], model)
    return list(found.values())


def _item(number: int, item: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    kept = {key: item[key] for key in _KEPT}
    kept["claims"] = [{**claim, "moved": _moved(claim, item, folder)} for claim in item["claims"]]
    return {"number": number, **kept, "explanation": _explained(item["explanation"])}


def _moved(claim: Mapping[str, Any], item: Mapping[str, Any], folder: Path) -> dict | None:
    """By how much the inputs differ in a witness: the largest moves, in the model's units."""
    point = witness_of(claim, folder / item["folder"])
    if point is None:
        return None
    given, moved = (values.ravel() for values in point)
    names = {}
    path = folder / item["folder"] / "explanation.npz"
    found = numbers_of(path, "group_starts", "group_inputs")
    starts, inputs = found["group_starts"], found["group_inputs"]
    for group in item["explanation"]["groups"] if item["explanation"] else ():
        if group["size"] == 1:
            names[int(inputs[starts[group["id"]]])] = group["name"]
    order = np.argsort(-np.abs(moved - given), kind="stable")
    order = order[: min(MOST_MOVES, int((moved != given).sum()))]
    moves = [
        {"input": names.get(int(k), f"input {k}"), "from": given[k], "to": moved[k]} for k in order
    ]
    return {"inputs": int((moved != given).sum()), "moves": moves}


def _explained(values: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """An explanation with its most important groups alone, and its boxes by their hashes."""
    if values is None:
        return None
    ranked = sorted(values["groups"], key=lambda group: -group["score"])
    box = {**values["box"]}
    for end in ("lower", "upper"):
        box[end] = {**box[end], "values": None}
    return {
        **{key: values[key] for key in _EXPLAINED},
        "box": box,
        "model_sha256": values["model"]["sha256"],
        "groups_total": len(ranked),
        "groups": ranked[:MOST_GROUPS],
    }


def _checkers(items: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the checker itself says that it assumed and did not cover; once each."""
    found: dict[str, None] = {}
    for item in items:
        for claim in item["claims"]:
            answer = claim["check"] or {}
            for words in answer.get("assumptions", ()):
                found[f"Assumed by the checker: {words}."] = None
            if "not_covered" in answer:
                found[f"Not covered by any certificate: {answer['not_covered']}."] = None
    return list(found)


def _reproduction(evidence: Evidence) -> dict[str, Any]:
    """Commands that compute the same again, and where they ran."""
    if evidence.kind == "run":
        job = next((f["path"] for f in evidence.files if f["path"].startswith("job.")), "job.toml")
        commands = [f"verixplain run evidence/{job} --out RUN"]
        notes = ["Paths in the job file are relative to where it lay."]
    else:
        commands = [_command(item) for item in evidence.items if item["explanation"]]
        notes = ["MODEL.onnx and INPUT are the files with the names and SHA-256 that are stated."]
    environments = []
    for item in evidence.items:
        if item["explanation"] and item["explanation"]["environment"] not in environments:
            environments.append(item["explanation"]["environment"])
    return {"commands": commands, "notes": notes, "environments": environments}


_FLAGS = {
    "radius": "--radius",
    "units": "--radius-units",
    "lower": "--lower",
    "upper": "--upper",
    "groups": "--groups",
    "target": "--target",
    "against": "--against",
    "at_most": "--at-most",
    "at_least": "--at-least",
}


def _command(item: Mapping[str, Any]) -> str:
    """The command that a folder of explain or certify came from."""
    values, claims = item["explanation"], item["claims"]
    asked = values["request"] or {}
    words = ["verixplain", "certify" if claims else "explain"]
    words += [f"{values['model']['name']}.onnx", str(asked.get("input", "INPUT"))]
    for key, flag in _FLAGS.items():
        if key in asked:
            words += [flag, str(asked[key])]
    if "clip" in asked:
        words += ["--clip", *map(str, asked["clip"])]
    words += ["--no-clip"] if asked.get("no_clip") else []
    words += ["--label-check"] if asked.get("check_label") else []
    words += ["--raw" if asked.get("read_as") == "raw" else "--model-units"]
    words += [] if claims else ["--method", values["method"]]
    for claim in claims:
        parameters = ",".join(str(value) for value in claim["parameters"].values())
        words += ["--claim", f"{claim['kind']}{':' if parameters else ''}{parameters}"]
    budget = next((claim["budget"] for claim in claims if claim["budget"]), None)
    words += ["--budget", budget] if budget else []
    for name, value in values["settings"].items():
        if value is not None:
            words += ["--set", f"{name}={value}"]
    return shlex.join([*words, "--out", "DIR"])


def _encodable(value: Any) -> Any:
    """The same with what UTF-8 cannot say (a broken file name) written as an escape."""
    if isinstance(value, dict):
        return {_encodable(key): _encodable(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_encodable(inner) for inner in value]
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return value
