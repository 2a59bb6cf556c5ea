"""What a certificate claims, in plain words. Nothing here says that it is true.

Written from FORMAT.md; the checker has a reader of its own, which trusts nothing.
"""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np

from verixplain.certificate.draft import FORMAT
from verixplain.errors import CertificateError

_TYPES = {"U8": "<u1", "I32": "<i4", "F32": "<f4", "F64": "<f8"}
NOT_COVERED = (
    "what happens to the input before the ONNX file; for float32 also Winograd and FFT "
    "convolutions, TF32, bfloat16, float16, and graph rewrites that change weights"
)


def read(path: str | Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Manifest and arrays of a certificate.

    Raises:
        CertificateError: there is no such file, or it is no certificate.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise CertificateError(f"cannot read {str(path)!r}: {error.strerror}") from error
    try:
        (size,) = struct.unpack("<Q", data[:8])
        header = json.loads(data[8 : 8 + size])
        manifest = json.loads(header.pop("__metadata__")["vxcert"])
        arrays = {}
        for name, entry in header.items():
            start, stop = entry["data_offsets"]
            block = np.frombuffer(data[8 + size :][start:stop], _TYPES[entry["dtype"]])
            arrays[name] = block.reshape(entry["shape"])
    except (ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise CertificateError(f"{str(path)!r} is no certificate ({error})") from error
    if manifest.get("format") != FORMAT:
        raise CertificateError(f"{str(path)!r} is {manifest.get('format')!r}, not {FORMAT}")
    return manifest, arrays


def words(path: str | Path) -> list[tuple[str, str]]:
    """Headings and sentences.

    Raises:
        CertificateError: it is no certificate, or not of this form.
    """
    manifest, arrays = read(path)
    try:
        return _words(manifest, arrays)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise CertificateError(f"{str(path)!r} is damaged ({error})") from error


def _words(manifest: dict[str, Any], arrays: dict[str, np.ndarray]) -> list[tuple[str, str]]:
    center, lower, upper = (
        arrays[manifest["region"][name]].astype(np.float64) for name in ("center", "lower", "upper")
    )
    moving, shift = upper > lower, ""
    far = np.maximum(upper - center, center - lower)
    if "shift" in manifest["region"]:
        far = np.maximum(upper, -lower)
        shift = arrays[manifest["region"]["shift"]].max()
        shift = f", around every input of the data range within {shift:.6g} of the one explained"
    rows = arrays[manifest["rows"]["matrix"]]
    facts = [
        ("model", f"the ONNX file with SHA-256 {manifest['model_sha256']}"),
        ("arithmetic", " and ".join(_MEANING[name] for name in manifest["semantics"])),
        (
            "box",
            f"{moving.sum()} of {moving.size} inputs move, each by at most {far.max():.6g}{shift}; "
            f"{len(rows)} rows of {rows.shape[1]} outputs",
        ),
    ]
    if manifest["groups"] is not None:
        count = len(arrays[manifest["groups"]["starts"]]) - 1
        facts.append(("groups", f"{count} sets of inputs that may be frozen"))
    if manifest["recipe"]["faces"]:
        facts.append(("by way of", "ends of inputs in which rows rise or fall all over the box"))
    if manifest["recipe"]["tree"] is not None:
        leaves = len(arrays[manifest["recipe"]["tree"]["starts"]]) - 1
        facts.append(("by way of", f"{leaves} parts of the box, by signs inside the network"))
    for claim in manifest["claims"]:
        facts.append(("claims", _KINDS[claim["kind"]](claim, arrays)))
    facts.append(("not covered", NOT_COVERED))
    facts.append(("true?", "only the checker can say: verixplain check MODEL FILE"))
    return facts


_MEANING = {
    "real": "the network over the real numbers",
    "float32": "every float32 execution of it on float32 inputs",
}


def _largest(claim: dict[str, Any], arrays: dict[str, np.ndarray]) -> str:
    found = {name: arrays[array].max() for name, array in claim["upper"].items()}
    return ", ".join(f"{value:.6g} ({name})" for name, value in found.items())


def _frozen(claim: dict[str, Any], arrays: dict[str, np.ndarray]) -> str:
    groups = arrays[claim["group"]]
    words = f"each of {(groups >= 0).sum()} groups"
    return words if (groups >= 0).all() else f"none and with {words}" if len(groups) > 1 else "none"


def _pairs(claim: dict[str, Any], arrays: dict[str, np.ndarray]) -> str:
    pairs = arrays[claim["pairs"]]
    first = ", ".join(f"{u} > {v}" for u, v in pairs[:5].tolist())
    return f"{len(pairs)} pairs of groups, of which the first counts more: {first}" + (
        ", ..." if len(pairs) > 5 else ""
    )


_KINDS = {
    "bound": lambda claim, arrays: (
        f"no row is above its number anywhere in the box; the largest is {_largest(claim, arrays)}"
    ),
    "groups": lambda claim, arrays: (
        f"with {_frozen(claim, arrays)} frozen no row is above a number; "
        f"the largest is {_largest(claim, arrays)}"
    ),
    "witness": lambda claim, arrays: (
        f"at a stored point with {_frozen(claim, arrays)} frozen a row is at least a number"
    ),
    "prediction": lambda claim, arrays: f"class {claim['label']} wins alone everywhere in the box",
    "sufficient": lambda claim, arrays: (
        f"while set {claim['group']} is frozen, class {claim['label']} wins alone"
    ),
    "exchange": lambda claim, arrays: f"by the exchange rule: {_pairs(claim, arrays)}",
    "order": _pairs,
    "top-k": lambda claim, arrays: (
        f"the most important groups are exactly {sorted(arrays[claim['group']].tolist())}"
    ),
}
