"""The independent checker as a process of its own: the only way this package asks it."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from verixplain.errors import CheckerError

COMMAND = (sys.executable, "-P", "-m", "verixplain.checker")
ANSWERS = {0, 1, 2}


def check(
    model: str | Path, certificates: Sequence[str | Path], semantics: str = "", seconds: float = 0
) -> list[dict[str, Any]]:
    """Have certificates checked, all in one process.

    Args:
        model: path of the ONNX file.
        certificates: paths.
        semantics: `real` or `float32` to ask for one only.
        seconds: how long the process may take; 0 for no limit.

    Returns:
        The checker's report of each; `verdict` is ACCEPTED, REJECTED or REFUSED.

    Raises:
        CheckerError: the process gave no answer, or not in time.
    """
    words = [*COMMAND, str(model), *map(str, certificates)]
    words += ["--semantics", semantics] if semantics else []
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=seconds or None)
    except subprocess.TimeoutExpired:
        raise CheckerError(f"the checker did not answer within {seconds:g} s") from None
    lines = done.stdout.splitlines()
    if done.returncode not in ANSWERS or len(lines) != len(certificates):
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise CheckerError(f"the checker gave no answer: {said[-1]}")
    return [json.loads(line) for line in lines]


def check_bytes(
    model: bytes, certificates: Sequence[bytes], seconds: float = 0
) -> list[dict[str, Any]]:
    """The same for certificates and a model that are no files yet.

    Raises:
        CheckerError: the process gave no answer, or not in time.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        path.write_bytes(model)
        paths = [Path(folder, f"{number}.vxcert") for number in range(len(certificates))]
        for place, certificate in zip(paths, certificates, strict=True):
            place.write_bytes(certificate)
        return check(path, paths, seconds=seconds)
