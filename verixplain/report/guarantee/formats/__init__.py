"""What other programs read, made from report.json; one format a file.

A format is a function of the report's values and of its bytes, which returns a file's name and
bytes.
"""

from collections.abc import Mapping
from typing import Any

from verixplain.registry import Registry

formats = Registry("format", "verixplain.report.guarantee.formats")

PASSED, FAILED, ERROR, OPEN, SKIPPED = "passed", "failed", "error", "open", "skipped"

_VERDICT = {
    "certified": PASSED,
    "refuted": FAILED,
    "error": ERROR,
    "unknown": OPEN,
    "timeout": OPEN,
    "out-of-memory": OPEN,
    "unsupported": SKIPPED,
    "not-run": SKIPPED,
}


def verdict(status: str, report: Mapping[str, Any]) -> str:
    """What a status means for who counts passes and failures; only a proof passes."""
    if status == "estimate":
        return PASSED if report["require"] == "estimate" else OPEN
    return _VERDICT[status]


def named(item: Mapping[str, Any]) -> str:
    """An item in one line."""
    index = "" if item["index"] is None else f"#{item['index']}"
    return f"{item['model']}, {item['data']}{index}, {item['question']}, {item['method']}"


def sentence(claim: Mapping[str, Any]) -> str:
    """A claim, its status and the reason in one line."""
    reason = f" ({claim['reason']})" if claim["reason"] else ""
    return f"{claim['status']}: {claim['statement'] or claim['kind']}{reason}"
