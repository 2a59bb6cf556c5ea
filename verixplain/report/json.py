"""An explanation as `explanation.json` has it (`schemas/explanation-1.json`)."""

import hashlib
import json
import math
import os
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from verixplain.errors import NotFiniteError
from verixplain.explanation import Explanation
from verixplain.query import Box
from verixplain.report.units import radii
from verixplain.report.view import threshold
from verixplain.request import predicted_label

SCHEMA = "explanation/1"
SMALL = 64
"""Boxes of at most this many inputs stand in the JSON; larger ones in the npz alone."""

_PACKAGES = ("numpy", "torch", "onnx", "onnxruntime", "auto-LiRPA", "captum")


def explanation_dict(
    explanation: Explanation, request: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Everything an explanation says but its arrays, as plain values.

    Args:
        explanation: what to write.
        request: how the question was asked, for the record.

    Raises:
        NotFiniteError: a number is NaN or infinite; the message says which.
    """
    query, overlaps = explanation.query, explanation.overlaps
    order, top_k = explanation.order, explanation.top_k
    values = {
        "schema": SCHEMA,
        "model": model_dict(query.network),
        "input": {
            "sha256": array_sha256(query.box.center.astype(query.network.input_dtype)),
            "shape": query.network.input_shape,
            "dtype": np.dtype(query.network.input_dtype).name,
        },
        "prediction": _prediction(explanation),
        "target": query.target.to_dict(),
        "method": explanation.method,
        "settings": _settings(explanation.settings),
        "bound": explanation.bound or None,
        "engine": explanation.engine or None,
        "rows_evaluated": explanation.rows_evaluated,
        "guarantee": explanation.guarantee,
        "box": _box(query.box, query.network.card),
        "overlap": overlaps and {"lower": overlaps.lower, "upper": overlaps.upper},
        "grouping": query.groups.kind,
        "groups": _groups(explanation),
        "order": order and {"status": order.status, **order.to_dict()},
        "top_k": top_k and {**top_k.to_dict(), "threshold": threshold(explanation, top_k.members)},
        "tree": explanation.tree,
        "timing": explanation.timing,
        "environment": environment(explanation.settings),
        "request": request,
        "notes": explanation.notes,
    }
    return plain(values)


def _settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings; a large array stands as its shape and hash."""
    return {
        name: {"shape": value.shape, "sha256": array_sha256(value)}
        if isinstance(value, np.ndarray) and value.size > SMALL
        else value
        for name, value in settings.items()
    }


def dump(values: Mapping[str, Any]) -> str:
    """Canonical text: sorted keys, shortest exact numbers, one line a key and a group."""

    def compact(value: Any) -> str:
        return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)

    lines = []
    for key in sorted(values):
        value = values[key]
        if key == "groups":
            text = "[\n  " + ",\n  ".join(compact(group) for group in value) + "\n ]"
        else:
            text = compact(value)
        lines.append(f" {compact(key)}: {text}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def plain(value: Any, where: str = "") -> Any:
    """Values as JSON has them; numpy's numbers become Python's without rounding.

    Raises:
        NotFiniteError: NaN or infinity, and where.
    """
    if isinstance(value, Mapping):
        return {str(key): plain(inner, f"{where}.{key}") for key, inner in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist(), where)
    if isinstance(value, (list, tuple)):
        return [plain(inner, f"{where}[{number}]") for number, inner in enumerate(value)]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        raise NotFiniteError(f"{where.lstrip('.')} is {value}; results are finite")
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)


def array_sha256(array: np.ndarray) -> str:
    """SHA-256 of a line such as `float32 1,8,8` (dtype, shape) and the bytes after it.

    The line ends in one newline; the bytes are little-endian, in C order.
    """
    array = np.ascontiguousarray(array, dtype=np.asarray(array).dtype.newbyteorder("<"))
    head = f"{array.dtype.name} {','.join(map(str, array.shape))}\n"
    return hashlib.sha256(head.encode() + array.tobytes()).hexdigest()


def model_dict(network: Any) -> dict[str, Any]:
    """Which network it is, and the units of its input."""
    card, parity = network.card, network.parity
    return {
        "name": network.name,
        "sha256": network.sha256,
        "opset": network.opset,
        "input_shape": network.input_shape,
        "outputs": network.outputs,
        "parameters": network.parameters,
        "stripped": network.stripped,
        "parity": {
            "absolute": parity.absolute,
            "relative": parity.relative,
            "points": parity.points,
            "reason": parity.reason,
        },
        "units": {
            "layout": card.layout,
            "scale": card.scale,
            "mean": card.mean,
            "std": card.std,
            "range": card.range,
            "units": card.units,
        },
    }


def _prediction(explanation: Explanation) -> dict[str, Any]:
    outputs = explanation.prediction
    label = predicted_label(outputs, explanation.query.network.card.kind)
    names = explanation.query.network.card.labels
    name = names[label] if label is not None and label < len(names) else None
    return {"label": label, "name": name, "outputs": outputs.astype(np.float64)}


def _box(box: Box, card: Any) -> dict[str, Any]:
    return {
        "radius": radii(box, card),
        "free_inputs": int((box.upper > box.lower).sum()),
        "lower": _end(box.lower),
        "upper": _end(box.upper),
    }


def _end(array: np.ndarray) -> dict[str, Any]:
    return {
        "sha256": array_sha256(array),
        "smallest": array.min(),
        "largest": array.max(),
        "values": array.ravel() if array.size <= SMALL else None,
    }


def _groups(explanation: Explanation) -> list[dict[str, Any]]:
    groups, overlaps = explanation.query.groups, explanation.overlaps
    lower, upper = explanation.group_lower, explanation.group_upper
    rows = []
    for number, (name, members) in enumerate(zip(groups.names, groups.members, strict=True)):
        row = {
            "id": number,
            "name": name,
            "size": len(members),
            "score": explanation.group_scores[number],
            "overlap": None,
            "importance": None,
        }
        if overlaps is not None and lower is not None and upper is not None:
            row["overlap"] = {
                "lower": overlaps.group_lower[number],
                "upper": overlaps.group_upper[number],
            }
            row["importance"] = {"lower": lower[number], "upper": upper[number]}
        rows.append(row)
    return rows


def environment(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What it was computed with."""
    import torch

    from verixplain import __version__

    packages = {}
    for package in _PACKAGES:
        try:
            packages[package] = version(package)
        except PackageNotFoundError:
            packages[package] = None
    return {
        "verixplain": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": packages,
        "device": settings.get("device"),
        "dtype": settings.get("dtype"),
        "seed": settings.get("seed"),
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
    }
