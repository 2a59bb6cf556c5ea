"""The certificate file: length, JSON header, raw little-endian arrays. FORMAT.md section 2."""

import json
import struct
from math import prod
from typing import Any, NoReturn

import numpy as np

from .reasons import (
    MOST_CERTIFICATE_BYTES,
    MOST_HEADER_BYTES,
    MOST_NUMBERS,
    Reason,
    Refusal,
    need,
)
from .rounding import Array

_TYPES = {"U8": "<u1", "I32": "<i4", "F32": "<f4", "F64": "<f8"}


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    need(len(dict(pairs)) == len(pairs), Reason.CONTAINER, "a JSON key occurs twice")
    return dict(pairs)


def _constant(name: str) -> NoReturn:
    raise Refusal(Reason.CONTAINER, f"JSON holds {name}")


def _json(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text, object_pairs_hook=_pairs, parse_constant=_constant)
    except (ValueError, RecursionError) as error:
        raise Refusal(Reason.CONTAINER, f"not JSON: {type(error).__name__}") from None
    need(isinstance(found, dict), Reason.CONTAINER, "JSON is not an object")
    return found


class Tensors:
    """The arrays of a certificate; each must be used, and with the type that is expected."""

    def __init__(self, arrays: dict[str, Array]) -> None:
        self._arrays = arrays
        self._used: set[str] = set()

    def take(self, name: object, kinds: str, shape: tuple[int | None, ...]) -> Array:
        """The array `name`: its type is one of `kinds`, None in `shape` is any length."""
        need(isinstance(name, str) and name in self._arrays, Reason.TENSOR, f"there is no {name!r}")
        found = self._arrays[str(name)]
        fits = found.ndim == len(shape) and all(
            want in (None, have) for want, have in zip(shape, found.shape, strict=True)
        )
        kind = next(k for k, v in _TYPES.items() if np.dtype(v) == found.dtype)
        need(fits, Reason.TENSOR, f"{name!r} has shape {found.shape}, not {shape}")
        need(kind in kinds.split(), Reason.TENSOR, f"{name!r} holds {kind}, not {kinds}")
        self._used.add(str(name))
        return found.astype(np.float64) if found.dtype.kind == "f" else found

    def indices(self, name: object, below: int, length: int | None = None, least: int = 0) -> Array:
        """An I32 array of numbers in [least, below)."""
        found = self.take(name, "I32", (length,)).astype(np.int64)
        need(((found >= least) & (found < below)).all(), Reason.TENSOR, f"{name!r} is out of range")
        return found

    def all_used(self) -> None:
        left = sorted(set(self._arrays) - self._used)
        need(not left, Reason.UNUSED_TENSOR, f"nothing refers to {left[:3]}")


def read_certificate(data: bytes) -> tuple[dict[str, Any], Tensors]:
    """Split a certificate into its manifest and its arrays."""
    need(len(data) <= MOST_CERTIFICATE_BYTES, Reason.TOO_LARGE, "certificate")
    need(len(data) >= 8, Reason.CONTAINER, "shorter than its length field")
    size = struct.unpack("<Q", data[:8])[0]
    need(size <= MOST_HEADER_BYTES, Reason.TOO_LARGE, "header")
    need(size <= len(data) - 8, Reason.CONTAINER, "the header is cut short")
    try:
        text = data[8 : 8 + size].decode("utf-8")
    except UnicodeDecodeError:
        raise Refusal(Reason.CONTAINER, "the header is not UTF-8") from None
    header = _json(text)
    meta = header.pop("__metadata__", None)
    need(isinstance(meta, dict) and set(meta) == {"vxcert"}, Reason.CONTAINER, "no vxcert metadata")
    need(isinstance(meta["vxcert"], str), Reason.CONTAINER, "the manifest is not text")
    return _json(meta["vxcert"]), Tensors(_arrays(header, memoryview(data)[8 + size :]))


def _arrays(header: dict[str, Any], body: memoryview) -> dict[str, Array]:
    """Arrays lie one after the other without gaps; nothing follows the last."""
    for name, entry in header.items():
        need(
            isinstance(entry, dict)
            and set(entry) == {"dtype", "shape", "data_offsets"}
            and entry["dtype"] in list(_TYPES)
            and _naturals(entry["shape"])
            and _naturals(entry["data_offsets"])
            and len(entry["data_offsets"]) == 2,
            Reason.CONTAINER,
            f"the entry of {name!r}",
        )
    end, found = 0, {}
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        start, stop = entry["data_offsets"]
        kind = np.dtype(_TYPES[entry["dtype"]])
        need(prod(entry["shape"]) <= MOST_NUMBERS, Reason.TOO_LARGE, f"array {name!r}")
        need(
            start == end
            and stop - start == prod(entry["shape"]) * kind.itemsize
            and stop <= len(body),
            Reason.CONTAINER,
            f"the place of {name!r}",
        )
        found[name] = np.frombuffer(body[start:stop], kind).reshape(entry["shape"])
        if kind.kind == "f":
            need(np.isfinite(found[name]).all(), Reason.NOT_FINITE, f"array {name!r}")
        end = stop
    need(end == len(body), Reason.CONTAINER, "bytes after the last array")
    return found


def _naturals(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= 8
        and all(type(n) is int and 0 <= n < 2**31 for n in value)
    )
