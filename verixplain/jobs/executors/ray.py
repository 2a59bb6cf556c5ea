"""Machines of a Ray cluster; the `ray` extra. Every actor watches one process of its own node."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from verixplain.errors import MissingDependencyError
from verixplain.jobs.job import Limits
from verixplain.jobs.parts import executors


@executors.add
class Ray:
    """Actors, each with a pool of one process, so that limits are enforced where the item runs.

    An actor whose node is lost is replaced; its item counts as died and is tried again. Data
    and models must lie under the same paths on every node.
    """

    enforces_limits = True

    def __init__(self, workers: int, limits: Limits) -> None:
        try:
            ray: Any = import_module("ray")
        except ImportError:
            raise MissingDependencyError(
                "the executor ray needs Ray: pip install 'verixplain[ray]'"
            ) from None
        self._ray, self.limits = ray, limits
        if not ray.is_initialized():
            ray.init(address="auto" if _cluster() else None, log_to_driver=False)
        self._actor = ray.remote(num_cpus=1, max_restarts=0)(Watched)
        self._idle = [self._new() for _ in range(max(1, workers))]
        self._busy: dict[Any, tuple[str, Any]] = {}

    def _new(self) -> Any:
        return self._actor.remote(self.limits)

    @property
    def free(self) -> int:
        """How many tasks can be submitted now."""
        return len(self._idle)

    def submit(self, name: str, task: Mapping[str, Any], seconds: float | None) -> None:
        """Give a task to an idle actor."""
        actor = self._idle.pop()
        self._busy[actor.run.remote(dict(task), seconds)] = (name, actor)

    def wait(self) -> list[tuple[str, dict[str, Any]]]:
        """Results that have come in."""
        ready, _ = self._ray.wait(list(self._busy), num_returns=1, timeout=0.2)
        found = []
        for reference in ready:
            name, actor = self._busy.pop(reference)
            try:
                result = self._ray.get(reference)
                self._idle.append(actor)
            except self._ray.exceptions.RayError as error:
                words = f"the node or its actor was lost ({type(error).__name__})"
                result = {"outcome": "error", "reason": words, "died": True}
                self._idle.append(self._new())
            found.append((name, result))
        return found

    def close(self) -> None:
        """End every actor; a cluster that was here before stays."""
        for actor in [*self._idle, *(actor for _, actor in self._busy.values())]:
            self._ray.kill(actor)


class Watched:
    """What an actor does: hand a task to a process of its own, and watch it."""

    def __init__(self, limits: Limits) -> None:
        from verixplain.jobs.executors.pool import Pool

        self._pool = Pool(1, limits)

    def run(self, task: Mapping[str, Any], seconds: float | None) -> dict[str, Any]:
        """The task's result."""
        self._pool.submit("task", task, seconds)
        while True:
            for _, result in self._pool.wait():
                return result


def _cluster() -> bool:
    """Whether a cluster's address is given, or one runs here."""
    import os

    return bool(os.environ.get("RAY_ADDRESS"))
