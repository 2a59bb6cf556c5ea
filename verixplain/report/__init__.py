"""Explanations as files, pictures and words."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from verixplain.explanation import Explanation
from verixplain.report.arrays import explanation_arrays
from verixplain.report.files import npz_of, write
from verixplain.report.json import dump, explanation_dict

__all__ = ["FILES", "dump", "explanation_arrays", "explanation_dict", "save"]

FILES = ("explanation.json", "explanation.npz", "heatmap.png")


def save(
    explanation: Explanation, folder: str | Path, request: Mapping[str, Any] | None = None
) -> Path:
    """Write `explanation.json`, `explanation.npz` and `heatmap.png`; returns the folder.

    A file is there complete or not at all: each is written beside its place and then moved.

    Args:
        explanation: what to write.
        folder: made where it does not exist; files of these names in it are replaced.
        request: how the question was asked (the radius as given, the clip, the file of the
            input), for the record in the JSON.

    Raises:
        OutputError: the folder cannot be written, or the disk is full.
        NotFiniteError: a number is NaN or infinite; nothing is written then.
    """
    from verixplain.report.figures.canvas import as_png
    from verixplain.report.figures.heatmap import heatmap

    contents = (
        dump(explanation_dict(explanation, request)).encode(),
        npz_of(explanation_arrays(explanation)),
        as_png(heatmap(explanation)),
    )
    return write(folder, dict(zip(FILES, contents, strict=True)))
