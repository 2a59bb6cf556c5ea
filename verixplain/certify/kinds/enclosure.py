"""Between which two numbers the importance of every group lies."""

import numpy as np

from verixplain.certify.claim import Asked, Encloses, Finding, Proved, claim_kinds
from verixplain.errors import SettingError


@claim_kinds.add
class EnclosureClaim:
    """The importance of every group lies in its interval; what a certificate says of a map."""

    certified_by = (("groups", "witness"),)
    options = ()

    def __init__(self, words: str) -> None:
        if words:
            raise SettingError(f"the claim is written enclosure, not enclosure:{words}")
        self.parameters = {}

    def judge(self, proved: Proved) -> Finding:
        count = len(proved.query.groups)
        statement = f"the importance of each of {count} groups lies in its interval of the map"
        return Finding("estimate", statement, rests_on=Encloses())

    def asks(self, proved: Proved) -> Asked:
        return Asked(np.zeros((len(proved.scores),) * 2, dtype=bool))
