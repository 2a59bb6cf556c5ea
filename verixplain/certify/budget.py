"""How much a proof may cost: seconds, or steps, which are the same on every machine."""

import re
import time

from verixplain.errors import SettingError


class Budget:
    """Counts what was spent.

    A node is one row's exchange, one round of its faces, one leaf of a tree, or one bound of a
    claim with a proof of its own.

    Args:
        words: `60s`, `500nodes`, or `none` (also "") for no limit.
    """

    def __init__(self, words: str = "") -> None:
        found = re.fullmatch(r"(\d+(?:\.\d+)?)(s|nodes)", words)
        if found is None and words not in ("", "none"):
            raise SettingError(
                f"the budget is {words!r}; give seconds (60s), nodes (500nodes) or none"
            )
        self.words, self.nodes, self.begin = words, 0, time.monotonic()
        limit = float(found[1]) if found else None
        self.seconds = limit if found and found[2] == "s" else None
        self.most = limit if found and found[2] == "nodes" else None

    @property
    def spent(self) -> float:
        """Seconds since it was made."""
        return time.monotonic() - self.begin

    def over(self) -> bool:
        """Whether it is used up."""
        if self.most is not None and self.nodes >= self.most:
            return True
        return self.seconds is not None and self.spent >= self.seconds

    def step(self) -> bool:
        """Count a node; whether the budget is then used up."""
        self.nodes += 1
        return self.over()
