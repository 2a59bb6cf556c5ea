"""The k groups that provably count most."""

from typing import Any

from verixplain.explanation import Explanation
from verixplain.jobs.parts import claims


@claims.add
def top_k(explanation: Explanation) -> dict[str, Any]:
    """The status that the explanation gives its top k."""
    if explanation.top_k is None:
        return {"status": "unsupported", "reason": f"{explanation.method} bounds nothing"}
    return explanation.top_k.to_dict()
