"""A sweep of radii as files: `sweep.json` (`schemas/sweep-1.json`) and `sweep.png`."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import Any

from verixplain.certify.sweep import Radius, recommendation
from verixplain.errors import OutputError
from verixplain.query import Query
from verixplain.report.json import array_sha256, dump, plain

SCHEMA = "sweep/1"


def sweep_dict(found: Sequence[Radius], query: Query, request: Mapping[str, Any]) -> dict[str, Any]:
    """The sweep as plain values.

    Args:
        found: a radius each.
        query: of any radius.
        request: how it was asked.
    """
    network = query.network
    return plain(
        {
            "schema": SCHEMA,
            "model": {"name": network.name, "sha256": network.sha256},
            "input": array_sha256(query.box.center.astype(network.input_dtype)),
            "target": query.target.to_dict(),
            "grouping": query.groups.kind,
            "request": request,
            "radii": [asdict(one) for one in found],
            "recommendation": recommendation(found),
        }
    )


def save_sweep(
    found: Sequence[Radius], query: Query, request: Mapping[str, Any], folder: str | Path
) -> Path:
    """Write `sweep.json` and `sweep.png`; returns the folder.

    Raises:
        OutputError: the folder cannot be written.
    """
    from verixplain.report.figures import radii_figure

    picture, folder = BytesIO(), Path(folder)
    radii_figure(found, recommendation(found)).savefig(picture, format="png")
    files = {
        "sweep.json": dump(sweep_dict(found, query, request)).encode(),
        "sweep.png": picture.getvalue(),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            beside = folder / f".{name}.{os.getpid()}.part"
            beside.write_bytes(content)
            beside.replace(folder / name)
    except OSError as error:
        raise OutputError(f"cannot write to {str(folder)!r}: {error.strerror or error}") from error
    return folder
