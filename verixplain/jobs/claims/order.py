"""Which groups provably count more than which: holds where every pair is decided."""

from typing import Any

from verixplain.explanation import Explanation
from verixplain.jobs.parts import claims


@claims.add
def order(explanation: Explanation) -> dict[str, Any]:
    """`estimate` where all pairs are decided, else `unknown`, with the counts."""
    if explanation.order is None:
        return {"status": "unsupported", "reason": f"{explanation.method} bounds nothing"}
    counts = explanation.order.to_dict()
    whole = counts["undecided"] == 0
    return {"status": explanation.order.status if whole else "unknown", **counts}
