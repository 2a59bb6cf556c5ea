"""Which groups provably count more than which."""

import numpy as np

from verixplain.certify.claim import Asked, Finding, Proved, Ranks, claim_kinds
from verixplain.errors import SettingError


@claim_kinds.add
class OrderClaim:
    """Every pair of groups is decided; the counts say how many are."""

    certified_by = (("order",),)
    options = ()

    def __init__(self, words: str) -> None:
        if words:
            raise SettingError(f"the claim is written order, not order:{words}")
        self.parameters = {}

    def judge(self, proved: Proved) -> Finding:
        counts = proved.order.to_dict()
        statement = f"{proved.order.decided} of {counts['pairs']} pairs of groups are ordered"
        status = "unknown" if counts["undecided"] else "estimate"
        pairs = Ranks(np.argwhere(proved.order.above))
        return Finding(status, statement, details={"order": counts}, rests_on=pairs)

    def asks(self, proved: Proved) -> Asked:
        above = proved.order.above
        return Asked(~(above | above.T | np.eye(len(above), dtype=bool)))
