"""How much a proof may cost: seconds, or steps, which are the same on every machine."""

import re
import time

from verixplain.errors import SettingError


class Budget:
    """Counts what was spent.

    A node is one row's exchange, one round of its faces, one step of a cover, one leaf of a tree,
    or one bound of a claim with a proof of its own.

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
        self._whole: Budget | None = None

    def share(self, parts: int) -> "Budget":
        """One of so many equal parts of what is left; what it spends is spent here too."""
        one = Budget()
        one._whole = self
        if self.seconds is not None:
            one.seconds = max(0.0, self.seconds - self.spent) / parts
        if self.most is not None:
            one.most = max(0.0, self.most - self.nodes) / parts
        return one

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
        if self._whole is not None:
            self._whole.step()
        return self.over()
