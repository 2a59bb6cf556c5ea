"""The bytes of a certificate, written from FORMAT.md section 2: numpy and the standard library."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

_NAMES = {"|u1": "U8", "<i4": "I32", "<f4": "F32", "<f8": "F64"}


def encode(manifest: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
    """The certificate as bytes; equal arguments give equal bytes.

    Args:
        manifest: what FORMAT.md section 3 describes; finite numbers only.
        arrays: every array the manifest names, of dtype uint8, int32, float32 or float64.

    Raises:
        TypeError: an array has another dtype.
        ValueError: the manifest or an array holds NaN or infinity.
    """
    header: dict[str, Any] = {"__metadata__": {"vxcert": _json(manifest)}}
    blocks: list[bytes] = []
    end = 0
    for name in sorted(arrays):
        array = arrays[name]
        little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        if little.dtype.str not in _NAMES:
            raise TypeError(f"array {name!r} is {array.dtype}; use {', '.join(_NAMES.values())}")
        if little.dtype.kind == "f" and not np.isfinite(little).all():
            raise ValueError(f"array {name!r} holds NaN or infinity")
        block = little.tobytes()
        header[name] = {
            "dtype": _NAMES[little.dtype.str],
            "shape": list(array.shape),
            "data_offsets": [end, end + len(block)],
        }
        blocks.append(block)
        end += len(block)
    text = _json(header).encode("ascii")
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + b"".join(blocks)


def _json(value: Any) -> str:
    """One spelling for one value: sorted keys, no spaces, shortest round trip of numbers."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
