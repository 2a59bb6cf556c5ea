"""Explanations as files, pictures and words."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from verixplain.errors import OutputError
from verixplain.explanation import Explanation
from verixplain.report.arrays import explanation_arrays
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
    import numpy as np

    from verixplain.report.figures import heatmap

    text = dump(explanation_dict(explanation, request))
    arrays = explanation_arrays(explanation)
    figure = heatmap(explanation)
    writers: tuple[Callable[[Any], Any], ...] = (
        lambda file: file.write(text.encode()),
        lambda file: np.savez_compressed(file, **arrays),  # pyright: ignore[reportArgumentType]
        lambda file: figure.savefig(file, format="png"),
    )
    folder = Path(folder)
    beside = [folder / f".{name}.{os.getpid()}.part" for name in FILES]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, write in zip(beside, writers, strict=True):
            with path.open("wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
        for path, name in zip(beside, FILES, strict=True):
            os.replace(path, folder / name)
    except OSError as error:
        raise OutputError(
            f"cannot write to {str(folder)!r}: {error.strerror or error}; nothing half-written was "
            "left there. Choose another folder (--out) or free the disk"
        ) from error
    finally:
        for path in beside:
            _forget(path)
    return folder


def _forget(path: Path) -> None:
    """Remove what an interrupted write left; what cannot be removed is not ours to report."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        pass
