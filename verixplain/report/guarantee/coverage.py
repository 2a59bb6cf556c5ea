"""Of how many inputs a claim holds, and what that says about inputs like them."""

from collections.abc import Mapping, Sequence
from typing import Any

from scipy.stats import binomtest

from verixplain.explanation import STATUSES

CONFIDENCE = 0.95
HOLDS = ("certified", "estimate")


def coverage(items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """For every model, question, method and kind of claim: counts of every status, and the shares.

    Every planned claim is in the denominator: also those of misclassified inputs, and those that
    failed or were not run. The intervals are exact ones (Clopper and Pearson 1934) at
    `CONFIDENCE`; they speak of inputs drawn independently like those here.
    """
    groups: dict[tuple[str, ...], list[str]] = {}
    radii: dict[tuple[str, str], float] = {}
    for item in items:
        asked = item["model"], item["question"]
        if item["explanation"]:
            radius = item["explanation"]["box"]["radius"]["scaled"]
            radii[asked] = max(radius, radii.get(asked, radius))
        for claim in item["claims"]:
            groups.setdefault((*asked, item["method"], claim["kind"]), []).append(claim["status"])
    found = []
    for (model, question, method, kind), entries in groups.items():
        counts = {status: entries.count(status) for status in STATUSES}
        found.append(
            {
                "model": model,
                "question": question,
                "method": method,
                "kind": kind,
                "radius": radii.get((model, question)),
                "planned": len(entries),
                "statuses": counts,
                "certified": share(counts["certified"], len(entries)),
                "holds": share(sum(counts[status] for status in HOLDS), len(entries)),
            }
        )
    return found


def share(count: int, of: int) -> dict[str, float]:
    """A share and the ends of its exact confidence interval."""
    ends = binomtest(count, of).proportion_ci(CONFIDENCE, method="exact")
    return {"share": count / of, "lower": float(ends.low), "upper": float(ends.high)}
