"""A sweep of radii as files: `sweep.json` (`schemas/sweep-1.json`) and `sweep.png`."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from verixplain.certify.sweep import Radius, recommendation
from verixplain.query import Query
from verixplain.report.files import write
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
    from verixplain.report.figures.canvas import as_png
    from verixplain.report.figures.radii import radii_figure

    files = {
        "sweep.json": dump(sweep_dict(found, query, request)).encode(),
        "sweep.png": as_png(radii_figure(found, recommendation(found))),
    }
    return write(folder, files)
