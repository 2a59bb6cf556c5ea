"""The coordinator: plan, hand out, keep; the same again computes nothing that is finished."""

import os
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from verixplain.jobs.job import Job, Limits, read
from verixplain.jobs.parts import executors
from verixplain.jobs.plan import Item, items, key_of, surveys
from verixplain.jobs.store import Ledger

SURVEY_SECONDS = 600.0
"""For a look at one model and its inputs."""

Told = Callable[["Progress"], None]


@dataclass
class Progress:
    """How far a run is.

    Args:
        total: planned items.
        known: those that were finished before.
        done: those finished now.
        begin: when the first one was handed out.
        last: names and outcome of the last one.
    """

    total: int
    known: int
    done: int = 0
    begin: float = 0.0
    last: str = ""

    @property
    def left(self) -> float | None:
        """Seconds that the rest will take, going by this run; None where nothing is known."""
        if not self.done:
            return None
        spent = time.monotonic() - self.begin
        return spent / self.done * (self.total - self.known - self.done)


@dataclass(frozen=True)
class Plan:
    """What a job comes to, before anything is computed.

    Args:
        items: every item.
        surveyed: what was found out about each model.
    """

    job: Job
    items: list[Item]
    surveyed: Mapping[str, Mapping[str, Any]]


def planned(job: Job, executor: Any) -> Plan:
    """Look at every model and its inputs, in workers, and list the items."""
    waiting = deque(surveys(job).items())
    found: dict[str, dict[str, Any]] = {}
    while len(found) < len(job.models):
        while waiting and executor.free:
            name, task = waiting.popleft()
            executor.submit(name, task, SURVEY_SECONDS)
        for name, result in executor.wait():
            if result.get("lost"):
                waiting.append((name, surveys(job)[name]))
            else:
                found[name] = result
    return Plan(job, items(job, found), found)


def plan(path: str | Path, workers: int = 1, executor: str = "pool") -> Plan:
    """The plan of a job file; nothing is written.

    Raises:
        JobError: the file is none.
    """
    job = read(path)
    hands = executors[executor](min(workers, max(1, len(job.models))), Limits())
    try:
        return planned(job, hands)
    finally:
        hands.close()


def run(
    path: str | Path,
    folder: str | Path,
    *,
    workers: int | None = None,
    executor: str = "pool",
    told: Told = lambda progress: None,
) -> list[dict[str, Any]]:
    """Run a job, or go on with it.

    Args:
        path: the job file.
        folder: of the run; made, or gone on with where it is of the same job.
        workers: how many items at once; one a core by default.
        executor: name of one of `verixplain.jobs.executors`.
        told: hears of every finished item.

    Returns:
        Every item with its claims, as the ledger has them.

    Raises:
        JobError: the job file is none, or the folder is of another job.
        OutputError: a result could not be written; those before are safe.
    """
    job = read(path)
    kind = executors[executor]
    ledger = Ledger(folder, write=True)
    try:
        ledger.begin(job.text, job.suffix, job.sha256)
        hands = kind(workers or os.cpu_count() or 1, job.limits)
        try:
            work = planned(job, hands)
            ledger.plan(work.items)
            _Coordinator(work, ledger, hands, told).run()
        finally:
            hands.close()
        return ledger.rows()
    finally:
        ledger.close()


class _Coordinator:
    """Hands out items and keeps their results."""

    def __init__(self, work: Plan, ledger: Ledger, hands: Any, told: Told) -> None:
        self.ledger, self.hands, self.told = ledger, hands, told
        self.limits = work.job.limits
        self.noted = key_of(asdict(self.limits))
        finished = ledger.finished(self.noted)
        self.open = {item.key: item for item in work.items if item.key not in finished}
        self.progress = Progress(len(work.items), len(work.items) - len(self.open))
        self.attempts = dict.fromkeys(self.open, 0)

    def run(self) -> None:
        self.progress.begin = time.monotonic()
        self.told(self.progress)
        for item in list(self.open.values()):
            if item.failed is not None:
                outcome, reason = item.failed
                self._keep(item, {"outcome": outcome, "reason": reason})
        waiting = deque(self.open.values())
        while self.open:
            while waiting and self.hands.free:
                item = waiting.popleft()
                self.attempts[item.key] += 1
                self.hands.submit(item.key, item.task, item.seconds)
            for key, result in self.hands.wait():
                item = self.open[key]
                if result.get("lost"):  # its machine was, which says nothing about the item
                    self.attempts[key] -= 1
                    waiting.appendleft(item)
                    continue
                if result.get("died") and self.attempts[key] < self.limits.attempts:
                    waiting.appendleft(item)
                    continue
                self._keep(item, result)

    def _keep(self, item: Item, result: Mapping[str, Any]) -> None:
        self.ledger.keep(item, result, self.attempts[item.key], self.noted)
        del self.open[item.key]
        self.progress.done += 1
        names = " ".join(str(item.names[k]) for k in ("model", "data", "index", "question"))
        claims = [f"{one['kind']} {one['status']}" for one in result.get("claims", ())]
        self.progress.last = f"{names}: {', '.join(claims) or result['outcome']}"
        self.told(self.progress)
