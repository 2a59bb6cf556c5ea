"""Tables of many measured numbers, as JSON and CSV.

Their schemas are `schemas/evaluation-1.json` and `schemas/sanity-1.json`.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from verixplain.evaluation import Evaluation
from verixplain.examination import Examination
from verixplain.report.files import csv_of, write
from verixplain.report.json import environment, plain

EVALUATION, SANITY = "evaluation/1", "sanity/1"


def save_evaluation(found: Evaluation, folder: str | Path, about: Mapping[str, Any]) -> Path:
    """Write `evaluation.json`, `.csv` and, where there is a number, `.png`; returns the folder.

    Where maps of two methods could be compared, `agreement.png` shows how alike they are.

    Args:
        found: what was measured.
        folder: made where it does not exist.
        about: `model`, `data` and `request`, in words.

    Raises:
        OutputError: the folder cannot be written.
    """
    from verixplain.report.figures.agreement import agreement_squares
    from verixplain.report.figures.canvas import as_png
    from verixplain.report.figures.evaluation import evaluation_panels

    values = evaluation_dict(found, about)
    table = [{k: v for k, v in line.items() if k != "details"} for line in values["table"]]
    files = {"evaluation.json": lines_of(values).encode(), "evaluation.csv": csv_of(table)}
    if any(line["mean"] is not None for line in table):
        files["evaluation.png"] = as_png(evaluation_panels(table))
    if any(pair["count"] for pair in values["agreement"]):
        files["agreement.png"] = as_png(agreement_squares(found.agreement))
    return write(folder, files)


def evaluation_dict(found: Evaluation, about: Mapping[str, Any]) -> dict[str, Any]:
    """The evaluation as plain values; an end of a range that is infinite is null."""
    metrics = [
        {
            "name": one.name,
            "settings": one.settings(),
            "kind": one.kind,
            "direction": one.direction,
            "unit": one.unit,
            "range": [end if abs(end) < float("inf") else None for end in one.range],
            "looks_at": one.looks_at,
            "replaces": one.replaces,
            "needs": one.needs,
            "pools": one.pools,
        }
        for one in found.metrics
    ]
    return plain(
        {
            "schema": EVALUATION,
            "model": about["model"],
            "data": about["data"],
            "request": about["request"],
            "methods": [{"name": one.name, "settings": one.settings()} for one in found.methods],
            "metrics": metrics,
            "table": found.table(),
            "agreement": found.agreement.pairs(),
            "failures": found.failures(),
            "rows": [{k: v for k, v in row.items() if k != "key"} for row in found.rows],
            "lower_status": "estimate",
            "environment": environment({}),
        }
    )


def save_examination(found: Examination, folder: str | Path, about: Mapping[str, Any]) -> Path:
    """Write `sanity.json`, `sanity.csv` and, where maps could be compared, `sanity.png`.

    Args:
        found: what the checks found.
        folder: made where it does not exist.
        about: `model`, `data` and `request`, in words.

    Raises:
        OutputError: the folder cannot be written.
    """
    from verixplain.report.figures.canvas import as_png
    from verixplain.report.figures.sanity import sanity_curves

    values = examination_dict(found, about)
    files = {"sanity.json": lines_of(values).encode(), "sanity.csv": csv_of(values["table"])}
    if any(line["mean"] is not None for line in values["table"]):
        files["sanity.png"] = as_png(sanity_curves(values["table"]))
    return write(folder, files)


def examination_dict(found: Examination, about: Mapping[str, Any]) -> dict[str, Any]:
    """The examination as plain values."""
    return plain(
        {
            "schema": SANITY,
            "model": about["model"],
            "data": about["data"],
            "request": about["request"],
            "methods": [{"name": one.name, "settings": one.settings()} for one in found.methods],
            "checks": [{"name": one.name, "settings": one.settings()} for one in found.checks],
            "table": found.table(),
            "rows": [{k: v for k, v in row.items() if k != "key"} for row in found.rows],
            "environment": environment({}),
        }
    )


def lines_of(values: Mapping[str, Any]) -> str:
    """JSON with one line an element of every list at the top."""
    parts = []
    for name in sorted(values):
        value = values[name]
        if isinstance(value, list):
            text = ",\n  ".join(json.dumps(one, sort_keys=True, allow_nan=False) for one in value)
            text = f"[\n  {text}\n ]" if value else "[]"
        else:
            text = json.dumps(value, sort_keys=True, allow_nan=False)
        parts.append(f" {json.dumps(name)}: {text}")
    return "{\n" + ",\n".join(parts) + "\n}\n"
