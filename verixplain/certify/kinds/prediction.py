"""No input of the box changes the decision: plain local robustness."""

import numpy as np

from verixplain.certify.claim import Asked, Finding, Proved, Stands, claim_kinds, replayed
from verixplain.errors import SettingError


@claim_kinds.add
class PredictionClaim:
    """The overlap of the box is negative; refuted by a point where it is not."""

    certified_by = (("prediction",), ("box below zero",))
    options = ()

    def __init__(self, words: str) -> None:
        if words:
            raise SettingError(f"the claim is written prediction, not prediction:{words}")
        self.parameters = {}

    def judge(self, proved: Proved) -> Finding:
        overlaps = proved.overlaps
        statement = f"{proved.query.target.in_words()}, at every input of the box"
        if overlaps.upper < 0:
            whole = Stands(np.array([], dtype=np.int64))
            return Finding("estimate", statement, overlaps.upper, rests_on=whole)
        if overlaps.lower >= 0:
            value = replayed(proved.query, overlaps.witness)
            if value >= 0:
                details = {"replayed": value}
                return Finding(
                    "refuted", statement, overlaps.lower, overlaps.witness, None, details
                )
        return Finding("unknown", statement, overlaps.upper)

    def asks(self, proved: Proved) -> Asked:
        return Asked(np.zeros((len(proved.scores),) * 2, dtype=bool), box=True)
