"""When an answer must be there."""

import time


class Deadline:
    """A moment, or never.

    Args:
        seconds: from now; None is never.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self.end = None if seconds is None else time.monotonic() + seconds

    @property
    def passed(self) -> bool:
        """Whether it is over."""
        return self.end is not None and time.monotonic() >= self.end

    @property
    def left(self) -> float:
        """Seconds until then; infinity where there is none."""
        return float("inf") if self.end is None else max(0.0, self.end - time.monotonic())
