"""`python -m verixplain.checker MODEL.onnx X.vxcert ...`: one line of JSON for each certificate."""

import argparse
import json
import sys
from pathlib import Path

from .reasons import MOST_CERTIFICATE_BYTES, MOST_MODEL_BYTES, Reason
from .steps import Verdict, _refused, check

EXIT = {"ACCEPTED": 0, "REJECTED": 1, "REFUSED": 2}


def read(path: str, most: int) -> bytes | Verdict:
    """The bytes of a file that is not too large; otherwise the refusal."""
    try:
        if Path(path).stat().st_size > most:
            return _refused(0, "read", Reason.TOO_LARGE, path)
        return Path(path).read_bytes()
    except OSError as error:
        return _refused(0, "read", Reason.MALFORMED, f"{path}: {error.strerror}")


def main(arguments: list[str] | None = None) -> int:
    """Check each certificate; the exit code is the worst of 0 accepted, 1 rejected, 2 refused."""
    parser = argparse.ArgumentParser(prog="verixplain.checker", description=__doc__)
    parser.add_argument("model", help="the ONNX file")
    parser.add_argument("certificate", nargs="+", help="certificates for it")
    parser.add_argument("--semantics", choices=["real", "float32"], help="ask for one only")
    given = parser.parse_args(arguments)
    worst, model = 0, read(given.model, MOST_MODEL_BYTES)
    for path in given.certificate:
        data = read(path, MOST_CERTIFICATE_BYTES)
        if isinstance(model, Verdict):
            verdict = model
        else:
            verdict = data if isinstance(data, Verdict) else check(model, data, given.semantics)
        print(json.dumps({"certificate": path, **verdict.report}))
        worst = max(worst, EXIT[verdict.answer])
    return worst


if __name__ == "__main__":
    sys.exit(main())
