"""Claims as files: `claims.json` (`schemas/claims-1.json`), witnesses and certificates."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from verixplain.certify.claim import Finding
from verixplain.certify.run import Certified
from verixplain.query import Query
from verixplain.report import dump, explanation_dict, save
from verixplain.report.files import npz_of, write
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
    from verixplain.report.figures.canvas import as_png
    from verixplain.report.figures.heatmap import enclosure
    from verixplain.report.figures.order import certified_order

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
            files[f"claim-{number}.npz"] = npz_of(arrays)
    files["claims.json"] = dump(claims_dict(found, request, budget)).encode()
    write(folder, files)
    for path in folder.glob("claim-*"):  # of an earlier call that had more claims
        if path.name not in files:
            path.unlink()
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
