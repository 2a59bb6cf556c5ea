"""Certificates checked again, by the independent checker, before their claims are printed."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from verixplain.certificate.checking import check
from verixplain.errors import OutputError
from verixplain.registry import claim_kinds
from verixplain.report.guarantee.evidence import Evidence, numbers_of

AT_ONCE = 20
"""Certificates that one process of the checker sees."""

KEPT = (
    "verdict", "reason", "detail", "semantics", "meaning", "conclusions", "assumptions",
    "not_covered", "model_sha256", "certificate_sha256", "inputs", "inputs_that_move", "seconds",
)  # fmt: skip
"""What a report keeps of the checker's answer."""


def recheck(
    evidence: Evidence,
    models: Iterable[str | Path] = (),
    progress: Callable[[str, int, int], None] | None = None,
) -> None:
    """Ask the checker about every certificate; a claim it does not accept is not certified.

    Args:
        evidence: its claims get `check`, the checker's answer, and the status that follows.
        models: ONNX files besides those that the evidence names; they are told by their SHA-256.
        progress: told how many certificates are checked.

    Raises:
        CheckerError: the checker gave no answer.
        OutputError: a model that was named cannot be read.
    """
    known = _by_sha256([*models, *(path for path in evidence.models.values() if path.is_file())])
    waiting: dict[Path, list[tuple[Path, dict, dict]]] = {}
    for item in evidence.items:
        for claim in item["claims"]:
            if claim["certificate"] is None:
                continue
            sha256 = item["explanation"]["model"]["sha256"] if item["explanation"] else ""
            certificate = evidence.folder / item["folder"] / claim["certificate"]
            if sha256 not in known:
                _lowered(claim, "estimate", f"not checked: no model has the SHA-256 {sha256}")
            elif certificate.is_file():
                waiting.setdefault(known[sha256], []).append((certificate, item, claim))
    done, total = 0, sum(map(len, waiting.values()))
    for model, asked in waiting.items():
        for start in range(0, len(asked), AT_ONCE):
            some = asked[start : start + AT_ONCE]
            answers = check(model, [certificate for certificate, _, _ in some])
            for (certificate, item, claim), answer in zip(some, answers, strict=True):
                _judge(claim, answer, certificate, item)
            done += len(some)
            if progress is not None:
                progress("certificates", done, total)
    _maps_without(evidence)


def without_certificate(evidence: Evidence) -> None:
    """Nothing is certified whose certificate is not there."""
    for item in evidence.items:
        for claim in item["claims"]:
            name = claim["certificate"]
            if name is None:
                _lowered(claim, "error", "it says certified and names no certificate")
            elif not (evidence.folder / item["folder"] / name).is_file():
                _lowered(claim, "error", f"its certificate {name} is missing")
    _maps_without(evidence)


def _maps_without(evidence: Evidence) -> None:
    """A map is certified only where a claim about its intervals is."""
    for item in evidence.items:
        values = item["explanation"]
        held = {claim["kind"] for claim in item["claims"] if claim["status"] == "certified"}
        if values and values["guarantee"] == "certified" and "enclosure" not in held:
            values["guarantee"] = "estimate"


def _judge(claim: dict[str, Any], answer: Mapping[str, Any], path: Path, item: dict) -> None:
    claim["check"] = {name: answer[name] for name in KEPT if name in answer}
    if answer["verdict"] != "ACCEPTED":
        why = answer.get("detail") or "a claim was not proved"
        _lowered(claim, "error", f"the checker says {answer['verdict']}: {why}")
        return
    manifest, arrays = _read(path.read_bytes())
    region = {key: arrays[name] for key, name in manifest["region"].items()}
    rows = {key: arrays[name] for key, name in manifest["rows"].items()}
    if not _same_question(region, rows, path.parent / "explanation.npz"):
        _lowered(
            claim,
            "error",
            "its certificate is about another input or box, or other rows, than this page",
        )
    elif not _says(claim, _kinds(manifest, arrays), region):
        _lowered(claim, "error", "its certificate says something else than the claim")
    elif claim["kind"] == "enclosure" and not _same_map(manifest, arrays, item["explanation"]):
        _lowered(claim, "error", "the map has narrower intervals than its certificate")


def _says(claim: Mapping[str, Any], kinds: set[str], region: Mapping[str, np.ndarray]) -> bool:
    """Whether an accepted certificate of these kinds, and as far, says what the claim does."""
    enough = getattr(claim_kinds[claim["kind"]], "certified_by", ())
    reach = region["shift"].min() if "shift" in region else 0.0
    far = claim["bound"] if "shift" in claim["parameters"] else 0.0
    return far is not None and far <= reach and any(set(one) <= kinds for one in enough)


def _kinds(manifest: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> set[str]:
    """The kinds of a certificate's claims, and where bounds alone decide: what is below zero."""
    kinds = {one["kind"] for one in manifest["claims"]}
    for one in manifest["claims"]:
        negative = "upper" in one and all(
            (arrays[name] < 0).all() for name in one["upper"].values()
        )
        if negative and one["kind"] == "bound":
            kinds.add("box below zero")
        elif negative and len(arrays[one["group"]]) == 1:
            kinds.add("box below zero" if arrays[one["group"]][0] < 0 else "set below zero")
    return kinds


def _lowered(claim: dict[str, Any], status: str, reason: str) -> None:
    """What was certified has this status now; another status says less already."""
    if claim["status"] == "certified":
        claim.update(status=status, reason=reason)


def _read(certificate: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Manifest and arrays of an accepted certificate (`certificate/FORMAT.md`, section 2)."""
    end = 8 + int.from_bytes(certificate[:8], "little")
    header = json.loads(certificate[8:end])
    manifest = json.loads(header.pop("__metadata__")["vxcert"])
    kinds = {"F32": "<f4", "F64": "<f8", "I32": "<i4", "U8": "u1"}
    arrays = {}
    for name, entry in header.items():
        start, stop = entry["data_offsets"]
        arrays[name] = np.frombuffer(certificate[end + start : end + stop], kinds[entry["dtype"]])
    return manifest, arrays


def _same_map(
    manifest: Mapping[str, Any], arrays: Mapping[str, np.ndarray], values: Mapping[str, Any]
) -> bool:
    """Whether every interval of the map holds what an accepted certificate says of it."""
    shown = {-1: values["overlap"], **{one["id"]: one["overlap"] for one in values["groups"]}}
    upper, lower = {}, {}
    for claim in manifest["claims"]:
        for key, found in (("upper", upper), ("lower", lower)):
            if "group" in claim and key in claim:
                groups, numbers = arrays[claim["group"]].tolist(), arrays[claim[key]["real"]]
                found |= dict(zip(groups, numbers.tolist(), strict=True))
    return all(
        lower.get(u, -np.inf) >= ends["lower"] and upper.get(u, np.inf) <= ends["upper"]
        for u, ends in shown.items()
    )


def _same_question(
    region: Mapping[str, np.ndarray], rows: Mapping[str, np.ndarray], arrays: Path
) -> bool:
    """Whether a certificate is about the input, box and target of the explanation, exactly.

    Where it is about inputs nearby too, its box is given around each, and cut for each.
    """
    center, lower, upper = (region[key].astype(np.float64) for key in ("center", "lower", "upper"))
    if "shift" in region:
        lower = np.maximum(center + lower, region["least"])
        upper = np.minimum(center + upper, region["most"])
    said = {"input": center, "box_lower": lower, "box_upper": upper}
    said |= {"target_coefficients": rows["matrix"], "target_offsets": rows["offset"]}
    stated = numbers_of(arrays, *said)
    return all(
        np.array_equal(found.ravel(), stated[name].ravel().astype(np.float64))
        for name, found in said.items()
    )


def _by_sha256(paths: Iterable[str | Path]) -> dict[str, Path]:
    found = {}
    for path in paths:
        try:
            found[hashlib.sha256(Path(path).read_bytes()).hexdigest()] = Path(path)
        except OSError as error:
            raise OutputError(f"cannot read the model {str(path)!r}: {error.strerror}") from error
    return found
