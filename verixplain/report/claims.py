"""Claims as files: `claims.json` (`schemas/claims-1.json`), witnesses and certificates."""

import os
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from verixplain.certify.claim import Finding
from verixplain.certify.run import Certified
from verixplain.errors import OutputError
from verixplain.query import Query
from verixplain.report import dump, explanation_dict, save
from verixplain.report.json import plain

SCHEMA = "claims/1"


def save_claims(
    found: Certified, folder: str | Path, request: Mapping[str, Any], budget: str = ""
) -> Path:
    """Write what `save` writes, `claims.json`, and of a claim `<id>.npz` and `<id>.vxcert`.

    Where groups are enclosed and ordered, `order.png` and `enclosure.png` show it.

    Raises:
        OutputError: the folder cannot be written.
    """
    from verixplain.report.figures import as_png, certified_order, enclosure

    folder = save(found.explanation, folder, request)
    query = found.explanation.query
    files: dict[str, bytes] = {}
    if found.explanation.overlaps is not None and found.explanation.order is not None:
        files["order.png"] = as_png(certified_order(found.explanation))
        files["enclosure.png"] = as_png(enclosure(found.explanation))
    for number, one in enumerate(found.claims):
        if one.finding.certificate is not None:
            files[f"claim-{number}.vxcert"] = one.finding.certificate
        arrays = dict(one.finding.arrays)
        if one.finding.witness is not None:
            arrays |= _witness(query, one.finding)
        if arrays:
            files[f"claim-{number}.npz"] = _npz(arrays)
    files["claims.json"] = dump(claims_dict(found, request, budget)).encode()
    try:
        for name, content in files.items():
            beside = folder / f".{name}.{os.getpid()}.part"
            beside.write_bytes(content)
            beside.replace(folder / name)
    except OSError as error:
        raise OutputError(f"cannot write to {str(folder)!r}: {error.strerror or error}") from error
    return folder


def claims_dict(found: Certified, request: Mapping[str, Any], budget: str) -> dict[str, Any]:
    """The claims as plain values."""
    described = explanation_dict(found.explanation, request)
    claims = []
    for number, ended in enumerate(found.claims):
        one = ended.finding
        claims.append(
            {
                "id": f"claim-{number}",
                "kind": ended.kind,
                "parameters": dict(ended.parameters),
                "status": one.status,
                "semantics": one.semantics,
                "statement": one.statement,
                "bound": one.bound,
                "certificate": None if one.certificate is None else f"claim-{number}.vxcert",
                "witness": None if one.witness is None else f"claim-{number}.npz",
                "budget": budget or None,
                "spent": {"seconds": ended.seconds, "nodes": ended.nodes},
                "stopped_by": ended.stopped_by,
                "details": one.details,
            }
        )
    shared = {name: described[name] for name in ("model", "input", "box", "target")}
    return plain({"schema": SCHEMA, **shared, "claims": claims})


def _witness(query: Query, one: Finding) -> dict[str, np.ndarray]:
    """The point, and the query that it is held against when it is replayed."""
    coefficients, offsets = query.target.matrix(query.network.outputs)
    members = np.array([], int) if one.frozen is None else query.groups.members[one.frozen]
    key = "witness_box" if one.frozen is None else "witness"
    point = np.asarray(one.witness)
    return {
        key: point if one.frozen is None else point[None],
        "input": query.box.center.astype(query.network.input_dtype),
        "box_lower": query.box.lower,
        "box_upper": query.box.upper,
        "target_coefficients": coefficients,
        "target_offsets": offsets,
        "group_inputs": members,
        "group_starts": np.array([0, len(members)]),
    }


def _npz(arrays: Mapping[str, np.ndarray]) -> bytes:
    file = BytesIO()
    np.savez_compressed(file, **arrays)  # pyright: ignore[reportArgumentType]
    return file.getvalue()
