"""Certificates checked again, by the independent checker, before their claims are printed."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from verixplain.certificate.checking import check
from verixplain.errors import OutputError
from verixplain.report.guarantee.evidence import Evidence, numbers_of

AT_ONCE = 20
"""Certificates that one process of the checker sees."""

KEPT = (
    "verdict", "reason", "detail", "semantics", "meaning", "conclusions", "assumptions",
    "not_covered", "model_sha256", "certificate_sha256", "inputs", "inputs_that_move", "seconds",
)  # fmt: skip
"""What a report keeps of the checker's answer."""

SAYS = {
    "prediction": {"prediction", "bound"},
    "sufficient": {"sufficient", "groups", "prediction", "bound"},
    "order": {"order"},
    "pair": {"order"},
    "top-k": {"top-k"},
}
"""What the checker must have accepted for a claim of these kinds."""


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
                _judge(claim, answer, certificate, evidence.folder / item["folder"])
            done += len(some)
            if progress is not None:
                progress("certificates", done, total)


def without_certificate(evidence: Evidence) -> None:
    """Nothing is certified whose certificate is not there."""
    for item in evidence.items:
        for claim in item["claims"]:
            name = claim["certificate"]
            if name is None:
                _lowered(claim, "error", "it says certified and names no certificate")
            elif not (evidence.folder / item["folder"] / name).is_file():
                _lowered(claim, "error", f"its certificate {name} is missing")


def _judge(
    claim: dict[str, Any], answer: Mapping[str, Any], certificate: Path, folder: Path
) -> None:
    claim["check"] = {name: answer[name] for name in KEPT if name in answer}
    if answer["verdict"] != "ACCEPTED":
        why = answer.get("detail") or "a claim was not proved"
        _lowered(claim, "error", f"the checker says {answer['verdict']}: {why}")
    elif not _same_box(certificate.read_bytes(), folder / "explanation.npz"):
        _lowered(claim, "error", "its certificate is about another input or box than this page")
    elif not {one["kind"] for one in answer["claims"]} & SAYS.get(claim["kind"], _of(answer)):
        _lowered(claim, "error", "its certificate says something else than the claim")


def _of(answer: Mapping[str, Any]) -> set[str]:
    return {one["kind"] for one in answer["claims"]}


def _lowered(claim: dict[str, Any], status: str, reason: str) -> None:
    """What was certified has this status now; another status says less already."""
    if claim["status"] == "certified":
        claim.update(status=status, reason=reason)


def _same_box(certificate: bytes, arrays: Path) -> bool:
    """Whether an accepted certificate is about the input and the box of the explanation, exactly.

    The layout is that of `certificate/FORMAT.md`, sections 2 and 3.
    """
    end = 8 + int.from_bytes(certificate[:8], "little")
    header = json.loads(certificate[8:end])
    region = json.loads(header["__metadata__"]["vxcert"])["region"]
    names = {"center": "input", "lower": "box_lower", "upper": "box_upper"}
    stated = numbers_of(arrays, *names.values())
    for name, key in names.items():
        entry = header[region[name]]
        start, stop = entry["data_offsets"]
        kind = {"F32": "<f4", "F64": "<f8"}[entry["dtype"]]
        found = np.frombuffer(certificate[end + start : end + stop], kind)
        if not np.array_equal(found.astype(np.float64), stated[key].ravel().astype(np.float64)):
            return False
    return True


def _by_sha256(paths: Iterable[str | Path]) -> dict[str, Path]:
    found = {}
    for path in paths:
        try:
            found[hashlib.sha256(Path(path).read_bytes()).hexdigest()] = Path(path)
        except OSError as error:
            raise OutputError(f"cannot read the model {str(path)!r}: {error.strerror}") from error
    return found
