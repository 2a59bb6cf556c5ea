"""A run in counts and lists; and what differs between two."""

from collections import Counter
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from verixplain.errors import MissingDependencyError, OutputError
from verixplain.explanation import STATUSES
from verixplain.jobs.parts import OUTCOMES
from verixplain.jobs.store import Ledger

HOLDS = ("certified", "estimate")
FAILURES = ("timeout", "out-of-memory", "unsupported", "error")


def rows(folder: str | Path) -> list[dict[str, Any]]:
    """Every planned item of a run; see `Ledger.rows`.

    Raises:
        JobError: the folder is no run.
    """
    ledger = Ledger(folder)
    try:
        return ledger.rows()
    finally:
        ledger.close()


def summary(items: Sequence[Mapping[str, Any]], slowest: int = 5) -> dict[str, Any]:
    """Counts by outcome and by status, the slowest items, the failures with their reasons.

    Every planned item and claim is in a denominator, also the misclassified and those not run.
    """
    outcomes = Counter(item["outcome"] for item in items)
    statuses: dict[str, Counter[str]] = {}
    for item in items:
        for claim in item["claims"]:
            statuses.setdefault(claim["kind"], Counter())[claim["status"]] += 1
    recorded = [item for item in items if item["recorded"]]
    timed = sorted((i for i in recorded if i["seconds"]), key=lambda i: -i["seconds"])
    failed = [item for item in items if item["outcome"] in FAILURES]
    reasons = Counter((item["outcome"], item["reason"]) for item in failed)
    return {
        "schema": "status/1",
        "items": len(items),
        "outcomes": {name: outcomes[name] for name in OUTCOMES},
        "claims": {
            kind: {"planned": sum(found.values()), **{name: found[name] for name in STATUSES}}
            for kind, found in sorted(statuses.items())
        },
        "misclassified": sum(bool(item["facts"].get("misclassified")) for item in items),
        "slowest": [{"item": named(item), "seconds": item["seconds"]} for item in timed[:slowest]],
        "failures": [
            {"outcome": outcome, "reason": reason, "items": count}
            for (outcome, reason), count in reasons.most_common()
        ],
        "seconds": sum(item["seconds"] or 0.0 for item in recorded),
        "seconds_left": left(items),
    }


def left(items: Sequence[Mapping[str, Any]]) -> float | None:
    """Seconds of work that are left, going by the finished items; None where nothing is known."""
    spent: dict[tuple[str, str], list[float]] = {}
    for item in items:
        if item["recorded"]:
            spent.setdefault((item["model"], item["method"]), []).append(item["seconds"])
    total, everything = 0.0, [one for found in spent.values() for one in found]
    for item in items:
        if item["recorded"]:
            continue
        known = spent.get((item["model"], item["method"]), everything)
        if not known:
            return None
        total += sum(known) / len(known)
    return total


def exit_code(items: Sequence[Mapping[str, Any]], require: str = "estimate") -> int:
    """0 every claim holds, 1 something refuted, 3 something undecided, 4 an error."""
    outcomes = {item["outcome"] for item in items}
    statuses = {claim["status"] for item in items for claim in item["claims"]}
    if "error" in outcomes | statuses:
        return 4
    if "refuted" in statuses:
        return 1
    enough = HOLDS if require == "estimate" else ("certified",)
    return 0 if statuses <= set(enough) and outcomes <= {"done"} else 3


def named(item: Mapping[str, Any]) -> str:
    """An item in words."""
    index = "" if item["index"] is None else f"#{item['index']}"
    return f"{item['model']}, {item['data']}{index}, {item['question']}, {item['method']}"


def difference(
    before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Which claims changed their status, which bounds moved, what is only in one of two runs."""
    first, second = _claims(before), _claims(after)
    changed, moved = [], []
    for name in sorted(first.keys() & second.keys(), key=str):
        a, b = first[name], second[name]
        if a["status"] != b["status"]:
            changed.append({"claim": _words(name), "from": a["status"], "to": b["status"]})
        elif a.get("bound") != b.get("bound"):
            moved.append({"claim": _words(name), "from": a.get("bound"), "to": b.get("bound")})
    return {
        "schema": "diff/1",
        "same": len(first.keys() & second.keys()) - len(changed) - len(moved),
        "changed": changed,
        "moved": moved,
        "only_first": [_words(name) for name in sorted(first.keys() - second.keys(), key=str)],
        "only_second": [_words(name) for name in sorted(second.keys() - first.keys(), key=str)],
    }


def _claims(items: Sequence[Mapping[str, Any]]) -> dict[tuple, Mapping[str, Any]]:
    """Every claim by what it is about; an item without claims counts with its outcome."""
    found: dict[tuple, Mapping[str, Any]] = {}
    for item in items:
        about = tuple(item[k] for k in ("model", "data", "index", "question", "method"))
        for claim in item["claims"] or [{"id": "item", "status": item["outcome"]}]:
            found[(*about, claim["id"])] = claim
    return found


def _words(name: tuple) -> str:
    model, data, index, question, method, claim = name
    return f"{model}, {data}{'' if index is None else f'#{index}'}, {question}, {method}: {claim}"


COLUMNS = (
    "key", "model", "data", "index", "question", "method", "outcome", "reason", "seconds",
    "attempts", "host", "claim", "status", "bound", "lower", "label", "predicted", "misclassified",
)  # fmt: skip


def flat(items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row a claim (or an item without any), with the same columns everywhere."""
    found = []
    for item in items:
        for claim in item["claims"] or [{}]:
            row = {name: item.get(name) for name in COLUMNS}
            row.update({name: item["facts"].get(name) for name in COLUMNS[-3:]})
            row.update(
                claim=claim.get("kind"), status=claim.get("status"), bound=claim.get("bound"),
                lower=claim.get("lower"),
            )  # fmt: skip
            found.append(row)
    return found


def to_parquet(items: Sequence[Mapping[str, Any]], path: str | Path) -> None:
    """Write `flat` as a Parquet table.

    Raises:
        MissingDependencyError: pyarrow is not installed.
        OutputError: the file cannot be written.
    """
    try:
        pyarrow: Any = import_module("pyarrow")
        parquet: Any = import_module("pyarrow.parquet")
    except ImportError:
        raise MissingDependencyError(
            "Parquet needs pyarrow: pip install 'verixplain[parquet]'"
        ) from None
    kinds = {"index": pyarrow.int64(), "attempts": pyarrow.int64(), "label": pyarrow.int64()}
    kinds |= {"predicted": pyarrow.int64(), "misclassified": pyarrow.bool_()}
    kinds |= dict.fromkeys(("seconds", "bound", "lower"), pyarrow.float64())
    schema = pyarrow.schema([(name, kinds.get(name, pyarrow.string())) for name in COLUMNS])
    table = pyarrow.Table.from_pylist(flat(items), schema=schema)
    try:
        parquet.write_table(table, path)
    except OSError as error:
        raise OutputError(f"cannot write {str(path)!r}: {error}") from error
