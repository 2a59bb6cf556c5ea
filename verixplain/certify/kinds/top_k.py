"""Which k groups provably count most."""

import numpy as np

from verixplain.certify.claim import Asked, Finding, Proved, Ranks, claim_kinds, numbers
from verixplain.certify.topk import top_k


@claim_kinds.add
class TopKClaim:
    """Some k groups each provably count more than every other group."""

    certified_by = (("top-k",),)
    options = ()

    def __init__(self, words: str) -> None:
        (k,) = numbers(words, 1, "top-k:K")
        self.parameters = {"k": k}

    def judge(self, proved: Proved) -> Finding:
        found = top_k(proved.order, proved.scores, self.parameters["k"])
        names = ", ".join(proved.query.groups.names[u] for u in found.members)
        one = len(found.members) == 1
        most = "most important group is" if one else f"{found.k} most important groups are"
        statement = f"the {most} {names}"
        details = {"members": list(found.members)}
        if found.status == "unknown":
            return Finding("unknown", statement, details=details)
        pairs = [(u, v) for u in found.members for v in range(len(proved.query.groups))]
        outside = [(u, v) for u, v in pairs if v not in found.members]
        rests_on = Ranks(np.array(outside).reshape(-1, 2), found.members)
        return Finding("estimate", statement, details=details, rests_on=rests_on)

    def asks(self, proved: Proved) -> Asked:
        """Of the k groups that look best: each against all the others."""
        ranked = np.argsort(proved.overlaps.group_upper, kind="stable")
        k = self.parameters["k"]
        pairs = np.zeros((len(ranked),) * 2, dtype=bool)
        pairs[np.ix_(ranked[:k], ranked[k:])] = True
        return Asked(pairs & ~proved.order.above)
