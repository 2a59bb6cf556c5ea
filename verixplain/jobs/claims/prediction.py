"""No input of the box changes the decision."""

from typing import Any

from verixplain.explanation import Explanation
from verixplain.jobs.parts import claims


@claims.add
def prediction(explanation: Explanation) -> dict[str, Any]:
    """`estimate` where the bound is negative, `refuted` where a witness replays."""
    import numpy as np

    overlaps, query = explanation.overlaps, explanation.query
    if overlaps is None:
        return {"status": "unsupported", "reason": f"{explanation.method} bounds nothing"}
    found: dict[str, Any] = {"bound": overlaps.upper, "lower": overlaps.lower}
    if overlaps.upper < 0:
        return {"status": "estimate", **found}
    outputs = query.network.run_onnx(overlaps.witness[None])[0].astype(np.float64)
    matrix, offsets = query.target.matrix(query.network.outputs)
    replayed = float((matrix @ outputs + offsets).max())
    inside = query.box.contains(overlaps.witness.astype(np.float64))
    if overlaps.lower >= 0 and replayed >= 0 and inside:
        return {"status": "refuted", "replayed": replayed, **found}
    return {"status": "unknown", **found}
