"""Which k groups provably count most."""

from verixplain.certify.claim import Finding, Proved, claim_kinds, numbers
from verixplain.certify.topk import top_k


@claim_kinds.add
class TopKClaim:
    """Some k groups each provably count more than every other group."""

    options = ()

    def __init__(self, words: str) -> None:
        (k,) = numbers(words, 1, "top-k:K")
        self.parameters = {"k": k}

    def judge(self, proved: Proved) -> Finding:
        found = top_k(proved.order, proved.scores, self.parameters["k"])
        names = ", ".join(proved.query.groups.names[u] for u in found.members)
        statement = f"the {found.k} most important groups are {names}"
        return Finding(found.status, statement, details={"members": list(found.members)})
