"""One item after the other, in this process: for debugging; no limit can be enforced here."""

from collections.abc import Mapping
from typing import Any

from verixplain.jobs.job import Limits
from verixplain.jobs.parts import executors


@executors.add
class InProcess:
    """Runs a task when its result is waited for; time and memory are not limited."""

    enforces_limits = False

    def __init__(self, workers: int, limits: Limits) -> None:
        self._waiting: list[tuple[str, Mapping[str, Any]]] = []
        self._ready = False

    @property
    def free(self) -> int:
        """How many tasks can be submitted now."""
        return 1 - len(self._waiting)

    def submit(self, name: str, task: Mapping[str, Any], seconds: float | None) -> None:
        """Take a task."""
        self._waiting.append((name, task))

    def wait(self) -> list[tuple[str, dict[str, Any]]]:
        """Do what was submitted."""
        from verixplain.jobs.work import perform, prepare

        if not self._ready:
            prepare()
            self._ready = True
        found = [(name, perform(task)) for name, task in self._waiting]
        self._waiting.clear()
        return found

    def close(self) -> None:
        """Nothing is left behind."""
