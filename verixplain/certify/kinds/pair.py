"""One group provably counts more than another."""

import numpy as np

from verixplain.certify.claim import (
    Asked,
    Finding,
    Proved,
    Ranks,
    claim_kinds,
    group_numbers,
    numbers,
    replayed,
)


@claim_kinds.add
class PairClaim:
    """Group u counts more than group v.

    Refuted by a point of `B_u` whose overlap is at least all that `B_v` can reach.
    """

    certified_by = (("order",),)
    options = ()

    def __init__(self, words: str) -> None:
        u, v = numbers(words, 2, "pair:U,V")
        self.parameters = {"u": u, "v": v}

    def judge(self, proved: Proved) -> Finding:
        u, v = self.parameters["u"], self.parameters["v"]
        group_numbers(proved.query, u, v)
        names, overlaps = proved.query.groups.names, proved.overlaps
        statement = f"group {names[u]} counts more than group {names[v]}"
        if proved.order.above[u, v]:
            return Finding("estimate", statement, rests_on=Ranks(np.array([[u, v]])))
        bound, witness = float(overlaps.group_upper[v]), overlaps.group_witness[u]
        if bound <= overlaps.group_lower[u]:
            value = replayed(proved.query, witness)
            if value >= bound:
                details = {"replayed": value}
                return Finding("refuted", statement, bound, witness, u, details)
        details = {"reverse": bool(proved.order.above[v, u])}
        return Finding("unknown", statement, details=details)

    def asks(self, proved: Proved) -> Asked:
        pairs = np.zeros((len(proved.scores),) * 2, dtype=bool)
        pairs[self.parameters["u"], self.parameters["v"]] = True
        return Asked(pairs | pairs.T)
