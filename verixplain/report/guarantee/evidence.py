"""What a report rests on: the files of a DIR or a RUN, copied, hashed, and read from the copies."""

import csv
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files as resources
from pathlib import Path
from typing import Any

import numpy as np

from verixplain.errors import InputError, OutputError, ReportError
from verixplain.inputs import arrays
from verixplain.jobs.store import Ledger
from verixplain.report import FILES
from verixplain.report.json import array_sha256, dump

LEDGER = "ledger.json"
"""The rows of a run's ledger in canonical form: SQLite's own bytes change without its content."""


@dataclass
class Evidence:
    """The copied files and what they say.

    Args:
        kind: `explanation` (one input), `inputs` (several) or `run`.
        name: of the folder that was read.
        folder: where the copies are.
        files: path in the folder, size and SHA-256 of each.
        items: one a question to a method about an input, in the manner of `Ledger.rows`, with
            `folder` and, where it is done, `explanation` (all of `explanation.json`).
        models: where the models lie, by name, as far as the source says.
    """

    kind: str
    name: str
    folder: Path
    files: list[dict[str, Any]] = field(default_factory=list)
    items: list[dict[str, Any]] = field(default_factory=list)
    models: dict[str, Path] = field(default_factory=dict)


def gather(source: str | Path, into: Path) -> Evidence:
    """Copy what a report of `source` rests on into the folder `into`, and read the copies.

    Raises:
        InputError: the folder is neither a DIR nor a RUN.
        ReportError: files that contradict each other, or are not what their schemas say.
        OutputError: a file is missing or cannot be copied.
    """
    source = Path(source)
    name = source.resolve().name.encode("utf-8", "backslashreplace").decode()
    if (source / "ledger.sqlite").is_file():
        return _run(source, Evidence("run", name, into))
    if (source / "explanation.json").is_file():
        found = Evidence("explanation", name, into)
        found.items.append(_written(source, ".", found))
        return found
    if (source / "summary.csv").is_file():
        return _inputs(source, Evidence("inputs", name, into))
    raise InputError(
        f"{str(source)!r} is no folder that explain, certify or run wrote: it has no "
        "explanation.json, no summary.csv and no ledger.sqlite"
    )


def _run(source: Path, found: Evidence) -> Evidence:
    ledger = Ledger(source)
    try:
        rows, found.models = ledger.rows(), ledger.models()
    finally:
        ledger.close()
    _place(found, LEDGER, dump({"rows": rows}).encode())
    for path in sorted(source.glob("job.*")):
        _copy(source, path.name, found)
    for row in rows:
        folder = f"items/{row['key']}"
        for name in row["files"]:
            _copy(source, f"{folder}/{_plain(name)}", found)
        item = {**row, "folder": folder, "explanation": None}
        if "explanation.json" in row["files"]:
            item["explanation"] = _explanation(found, folder)
        if "claims.json" in row["files"]:
            item["claims"] = _claims(found, folder, item["explanation"])
        else:
            item["claims"] = [_from_ledger(claim, row) for claim in row["claims"]]
        found.items.append(item)
    return found


def _inputs(source: Path, found: Evidence) -> Evidence:
    """DIR/<index>/ of every input, and the errors that summary.csv has instead."""
    _copy(source, "summary.csv", found)
    with (found.folder / "summary.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    for line in lines:
        index = _plain(line["index"])
        if not line["error"]:
            found.items.append(_written(source, index, found))
            continue
        item = _item(None, index, "error", line["error"])
        found.items.append({**item, "index": int(index), "claims": []})
    done = [item for item in found.items if item["explanation"]]
    for item in found.items:  # a failed input was asked what the others were
        if done and not item["explanation"]:
            item.update({k: done[0][k] for k in ("model", "data", "question", "method")})
            kinds = done[0]["claims"]
            item["claims"] = [_failed(claim, item["reason"]) for claim in kinds]
    return found


def _failed(claim: Mapping[str, Any], reason: str) -> dict[str, Any]:
    kept = {key: claim[key] for key in ("id", "kind", "parameters", "semantics", "budget")}
    return {**_CLAIM, **kept, "status": "error", "recorded": "error", "reason": reason}


def _written(source: Path, folder: str, found: Evidence) -> dict[str, Any]:
    """One folder of explain or certify, with every file that they put into it."""
    names = {path.name for path in (source / folder).glob("[!.]*") if path.is_file()}
    for name in sorted(names | set(FILES)):
        _copy(source, _inside(folder, name), found)
    explanation = _explanation(found, folder)
    item = _item(explanation, folder, "done", "")
    if "claims.json" in names:
        item["claims"] = _claims(found, folder, explanation)
    return item


def _item(
    explanation: Mapping[str, Any] | None, folder: str, outcome: str, reason: str
) -> dict[str, Any]:
    """An item in the manner of the ledger."""
    asked = (explanation and explanation["request"]) or {}
    data, _, index = str(asked.get("input", "")).rpartition("#")
    label, predicted = asked.get("label"), explanation and explanation["prediction"]["label"]
    words = [f"{key} {value}" for key, value in asked.items() if key not in _NOT_ASKED]
    return {
        "folder": folder,
        "model": explanation["model"]["name"] if explanation else "",
        "data": data or str(asked.get("input", "")),
        "index": int(index) if data and index.isdecimal() else None,
        "question": ", ".join(words),
        "method": explanation["method"] if explanation else "",
        "outcome": outcome,
        "reason": reason,
        "recorded": True,
        "seconds": explanation["timing"].get("total") if explanation else None,
        "facts": {
            "label": label,
            "predicted": predicted,
            "misclassified": None if label is None else label != predicted,
        },
        "explanation": explanation,
        "claims": [],
    }


_NOT_ASKED = ("input", "label", "read_as")


def _explanation(found: Evidence, folder: str) -> dict[str, Any]:
    """An explanation that fits its arrays.

    Raises:
        ReportError: the JSON is not what its schema says, or about another input or box.
    """
    values = _json(found, _inside(folder, "explanation.json"), "explanation-1.json")
    path = found.folder / folder / "explanation.npz"
    if not path.is_file():
        return values
    stated = {
        "input": values["input"]["sha256"],
        "box_lower": values["box"]["lower"]["sha256"],
        "box_upper": values["box"]["upper"]["sha256"],
    }
    found_there = numbers_of(path, *stated)
    for name, sha256 in stated.items():
        if array_sha256(found_there[name]) != sha256:
            raise ReportError(
                f"{_inside(folder, 'explanation.npz')}: {name} is not the array that "
                "explanation.json is about (its SHA-256 is another); one of the two was changed"
            )
    return values


def numbers_of(path: Path, *needed: str) -> dict[str, np.ndarray]:
    """The arrays of an .npz.

    Raises:
        ReportError: it is none, or lacks an array that is needed.
    """
    try:
        found = arrays(path)
    except InputError as error:
        raise ReportError(f"{path.name} was changed or cut short: {error}") from error
    missing = [name for name in needed if name not in found]
    if missing:
        raise ReportError(f"{path.name} has no array {missing[0]!r}; it was changed")
    return found


_CLAIM = {
    "parameters": {},
    "semantics": "real",
    "statement": "",
    "bound": None,
    "certificate": None,
    "witness": None,
    "budget": None,
    "spent": None,
    "stopped_by": None,
    "details": None,
    "reason": "",
    "check": None,
}
"""What a claim has where its source says nothing."""


def _claims(
    found: Evidence, folder: str, explanation: Mapping[str, Any] | None
) -> list[dict[str, Any]]:
    """The claims of claims.json, which must be about what the explanation is about."""
    values = _json(found, _inside(folder, "claims.json"), "claims-1.json")
    for name in ("model", "input", "box", "target"):
        if explanation is not None and values[name] != explanation[name]:
            raise ReportError(
                f"{_inside(folder, 'claims.json')} is about another {name} than explanation.json; "
                "one of the two was changed or comes from elsewhere"
            )
    for claim in values["claims"]:
        for name in filter(None, (claim["certificate"], claim["witness"])):
            _plain(name)
    return [{**_CLAIM, **claim, "recorded": claim["status"]} for claim in values["claims"]]


def _from_ledger(claim: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """A claim of a run, which has no claims.json."""
    known = {key: claim[key] for key in ("id", "kind", "status", *_CLAIM) if key in claim}
    if known.get("certificate") is not None:
        _plain(known["certificate"])
    rest = {key: value for key, value in claim.items() if key not in known}
    shown = claim["status"] == "refuted" and "explanation.npz" in row["files"]
    return {
        **_CLAIM,
        "witness": "explanation.npz" if shown else None,
        "details": rest or None,
        **known,
        "recorded": claim["status"],
    }


def _json(found: Evidence, path: str, schema: str) -> dict[str, Any]:
    """A JSON file that its published schema accepts.

    Raises:
        ReportError: it is not.
    """
    try:
        values = json.loads((found.folder / path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ReportError(f"{path} is not JSON: {error}") from error
    error = wrong(values, schema)
    if error is not None:
        raise ReportError(f"{path} is not what {schema} says: {error}")
    return values


def wrong(values: Any, schema: str) -> str | None:
    """What is wrong with values according to a published schema; None if nothing is."""
    error = next(iter(_validator(schema).iter_errors(values)), None)
    return None if error is None else f"{error.json_path}: {error.message}"


@cache
def _validator(schema: str) -> Any:
    from jsonschema import Draft202012Validator

    text = (resources("verixplain") / "schemas" / schema).read_text("utf-8")
    return Draft202012Validator(json.loads(text))


def witness_of(claim: Mapping[str, Any], folder: Path) -> tuple[np.ndarray, np.ndarray] | None:
    """The input and the point that a claim's witness is; None where there is none to show."""
    if claim["witness"] is None or not (folder / claim["witness"]).is_file():
        return None
    found = numbers_of(folder / claim["witness"])
    given, point = found.get("input"), found.get("witness_box")
    if point is None and len(found.get("witness", ())) == 1:
        point = found["witness"][0]
    if given is None or point is None or given.shape != point.shape:
        return None
    return given.astype(np.float64), point.astype(np.float64)


def _inside(folder: str, name: str) -> str:
    return name if folder == "." else f"{folder}/{name}"


def _plain(name: str) -> str:
    """A name of a file in its own folder, and nothing else.

    Raises:
        ReportError: a path.
    """
    if name in ("", ".", "..") or "/" in name or "\\" in name or "\0" in name:
        raise ReportError(
            f"{name!r} is no name of a file; it must lie beside the file that says it"
        )
    return name


def _copy(source: Path, path: str, found: Evidence) -> None:
    try:
        data = (source / path).read_bytes()
    except OSError as error:
        raise OutputError(f"cannot read {str(source / path)!r}: {error.strerror}") from error
    _place(found, path, data)


def _place(found: Evidence, path: str, data: bytes) -> None:
    """Write a copy and note its hash; a file that two claims name is written once."""
    if any(file["path"] == path for file in found.files):
        return
    target = found.folder / path
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    except OSError as error:
        raise OutputError(f"cannot write {str(target)!r}: {error.strerror}") from error
    found.files.append({"path": path, **hashed(data)})


def hashed(data: bytes) -> dict[str, Any]:
    """Size and SHA-256 of a file."""
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def changed(folder: Path, files: Iterable[Mapping[str, Any]]) -> list[str]:
    """Which of the recorded files are missing or have other bytes in `folder`."""
    found = []
    for file in files:
        try:
            data = (folder / file["path"]).read_bytes()
        except OSError as error:
            found.append(f"{file['path']}: {error.strerror}")
            continue
        if hashlib.sha256(data).hexdigest() != file["sha256"]:
            found.append(f"{file['path']}: not the bytes of the report")
    return found
