"""Machines of a Ray cluster; the `ray` extra. Every actor watches one process of its own node."""

import time
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from verixplain.errors import JobError, MissingDependencyError
from verixplain.jobs.job import Limits
from verixplain.jobs.parts import executors

START = 600.0
"""Seconds without any actor at work after which a run gives up waiting for the cluster."""


@executors.add
class Ray:
    """Actors, each with a pool of one process, so that limits are enforced where the item runs.

    An actor takes one core and `limits.gpus`, and gets items once it is up. One whose node is
    lost is replaced, and its item is handed out again. Data and models must lie under the same
    paths on every node.
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
        needs = {"num_cpus": 1, "num_gpus": limits.gpus, "max_restarts": 0}
        self._actor = ray.remote(**needs)(Watched)
        self._idle: list[Any] = []
        self._starting: dict[Any, Any] = {}
        self._busy: dict[Any, tuple[str, Any]] = {}
        self._alive = time.monotonic()
        for _ in range(max(1, workers)):
            self._start()

    def _start(self) -> None:
        """Ask for an actor; it is idle once it answers, wherever it is placed."""
        actor = self._actor.remote(self.limits)
        self._starting[actor.ready.remote()] = actor

    @property
    def free(self) -> int:
        """How many tasks can be submitted now."""
        return len(self._idle)

    def submit(self, name: str, task: Mapping[str, Any], seconds: float | None) -> None:
        """Give a task to an idle actor."""
        actor = self._idle.pop(0)
        self._busy[actor.run.remote(dict(task), seconds)] = (name, actor)

    def wait(self) -> list[tuple[str, dict[str, Any]]]:
        """Results that have come in.

        Raises:
            JobError: the cluster has no room for any actor.
        """
        waiting = [*self._busy, *self._starting]
        ready, _ = self._ray.wait(waiting, num_returns=1, timeout=0.2)
        found = []
        for reference in ready:
            name, actor = self._busy.pop(reference, (None, None))
            actor = actor or self._starting.pop(reference)
            result = None
            try:
                result = self._ray.get(reference)
                self._idle.append(actor)
            except self._ray.exceptions.RayError as error:
                words = f"the node or its actor was lost ({type(error).__name__})"
                result = {"outcome": "error", "reason": words, "lost": True}
                self._start()
            if name is not None:
                found.append((name, result))
        self._watch()
        return found

    def _watch(self) -> None:
        now = time.monotonic()
        if self._idle or self._busy:
            self._alive = now
        elif now - self._alive > START:
            raise JobError(
                f"no actor (1 core, {self.limits.gpus:g} GPU) was placed for {START:g} s; the "
                f"cluster has {self._ray.cluster_resources()}; what is finished is kept"
            )

    def close(self) -> None:
        """End every actor; a cluster that was here before stays."""
        busy = [actor for _, actor in self._busy.values()]
        for actor in [*self._idle, *busy, *self._starting.values()]:
            self._ray.kill(actor)


class Watched:
    """What an actor does: hand a task to a process of its own, and watch it."""

    def __init__(self, limits: Limits) -> None:
        from verixplain.jobs.executors.pool import Pool

        self._pool = Pool(1, limits)

    def ready(self) -> None:
        """Answers once the actor is up."""

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
