"""What a worker does: look at a model and its inputs, or compute one item.

Tasks and results are plain values, so that they can go to another process or another machine.
A result carries its files as bytes: the coordinator is the only one that writes.
"""

import hashlib
import os
import platform
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from verixplain.errors import (
    OutOfMemoryError,
    UnsupportedBoundError,
    UnsupportedOperatorError,
    UnsupportedQueryError,
    VerixplainError,
)
from verixplain.jobs.parts import kinds

if TYPE_CHECKING:
    from verixplain.network import Network

_KEPT = 4
_networks: OrderedDict[str, "Network"] = OrderedDict()

_UNSUPPORTED = (UnsupportedBoundError, UnsupportedOperatorError, UnsupportedQueryError)


def prepare() -> None:
    """Import what every item needs, and keep to one thread."""
    import torch

    torch.set_num_threads(1)


def perform(task: Mapping[str, Any]) -> dict[str, Any]:
    """Do a task; whatever goes wrong is part of the result.

    Returns:
        `outcome` (one of `OUTCOMES`), `reason`, `seconds`, `host`, and what the kind adds:
        `claims`, `files`, `facts`.
    """
    begin = time.perf_counter()
    try:
        result: dict[str, Any] = {"outcome": "done", "reason": "", **kinds[task["kind"]](task)}
    except BaseException as error:
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        result = {"outcome": outcome_of(error), "reason": said(error)}
    result["seconds"] = time.perf_counter() - begin
    result["host"] = platform.node()
    result["process"] = os.getpid()
    return result


def outcome_of(error: BaseException) -> str:
    """How an item that ended with this error has ended."""
    if isinstance(error, (OutOfMemoryError, MemoryError)):
        return "out-of-memory"
    if isinstance(error, _UNSUPPORTED):
        return "unsupported"
    words = str(error).lower()
    memory = ("out of memory", "not enough memory", "can't allocate memory", "bad_alloc")
    if not isinstance(error, VerixplainError) and any(word in words for word in memory):
        return "out-of-memory"
    return "error"


def said(error: BaseException) -> str:
    """An error in one line, with its class."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:2000]


def network_of(model: Mapping[str, Any]) -> "Network":
    """The network of a task's model, loaded once a worker."""
    key = repr(sorted(model.items()))
    if key in _networks:
        _networks.move_to_end(key)
        return _networks[key]
    from verixplain.network import load

    settings = dict(model)
    shape = settings.pop("shape", None)
    network = load(
        settings.pop("path"),
        output=settings.pop("output", None),
        shape=None if shape is None else tuple(shape),
        card=settings.pop("card", None),
    )
    network.card = network.card.with_settings(**settings)
    _networks[key] = network
    while len(_networks) > _KEPT:
        _networks.popitem(last=False)
    return network


def file_sha256(path: str | Path) -> str:
    """SHA-256 of a file's bytes; "" where it cannot be read."""
    digest = hashlib.sha256()
    try:
        with Path(path).open("rb") as file:
            while block := file.read(2**20):
                digest.update(block)
    except OSError:
        return ""
    return digest.hexdigest()


Kind = Callable[[Mapping[str, Any]], dict[str, Any]]
