"""Results that are paid for once: one JSON line each, read back when the same is asked again."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from verixplain.errors import OutputError


class Rows:
    """Rows by key, appended to a file one at a time.

    A line that an interruption cut short is dropped, and its row computed again.

    Args:
        path: of the file; None keeps rows in memory alone.

    Raises:
        OutputError: the file is there and cannot be read.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self._rows: dict[str, dict[str, Any]] = {}
        if path is None or not path.exists():
            return
        try:
            text = path.read_bytes()
        except OSError as error:
            raise OutputError(f"cannot read {str(path)!r}: {error.strerror or error}") from error
        lines = text.split(b"\n")
        for line in lines[:-1]:
            try:
                row = json.loads(line)
                self._rows[row["key"]] = row
            except (ValueError, KeyError, TypeError) as error:
                raise OutputError(
                    f"{str(path)!r} holds a line that is no row; move it away to begin anew"
                ) from error
        if lines[-1]:
            with path.open("rb+") as file:
                file.truncate(len(text) - len(lines[-1]))

    def get(self, key: str) -> dict[str, Any] | None:
        """The row of a key, if it is there."""
        return self._rows.get(key)

    def keep(self, row: dict[str, Any]) -> None:
        """Append a row, under its `key`.

        Raises:
            OutputError: the file cannot be written.
        """
        self._rows[row["key"]] = row
        if self.path is None:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as file:
                file.write(json.dumps(row, allow_nan=False).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise OutputError(
                f"cannot write {str(self.path)!r}: {error.strerror or error}; rows before are safe"
            ) from error


def key_of(*parts: Any) -> str:
    """SHA-256 of arrays, mappings, words and numbers; arrays count with shape and type."""
    return hashlib.sha256(json.dumps(_plain(parts), sort_keys=True).encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        data = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        return [value.dtype.str, list(value.shape), data]
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if isinstance(value, np.generic):
        return value.item()
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
