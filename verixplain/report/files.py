"""Files that are there whole or not at all."""

import csv
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from verixplain.errors import OutputError


def write(folder: str | Path, files: Mapping[str, bytes]) -> Path:
    """Write files, each complete or not at all; returns the folder.

    All are written beside their places before the first is moved there, in the order given: who
    finds the last one finds them all.

    Args:
        folder: made where it does not exist; files of these names in it are replaced.
        files: name -> content.

    Raises:
        OutputError: the folder cannot be written, or the disk is full.
    """
    folder = Path(folder)
    beside = {name: folder / f".{name}.{os.getpid()}.part" for name in files}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            with beside[name].open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        for name, path in beside.items():
            os.replace(path, folder / name)
    except OSError as error:
        raise OutputError(
            f"cannot write to {str(folder)!r}: {error.strerror or error}; nothing half-written was "
            "left there. Choose another folder (--out) or free the disk"
        ) from error
    finally:
        for path in beside.values():
            _forget(path)
    return folder


def _forget(path: Path) -> None:
    """Remove what an interrupted write left; what cannot be removed is not ours to report."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        pass


def npz_of(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Arrays as a compressed .npz."""
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)  # pyright: ignore[reportArgumentType]
    return file.getvalue()


def csv_of(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = ()) -> bytes:
    """Rows as CSV; nothing is rounded, and what a row lacks stays empty.

    Args:
        rows: name of a column -> value.
        columns: in their order; default: those of the first row.
    """
    text = io.StringIO()
    names = columns or (list(rows[0]) if rows else [])
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
