"""Processes on this machine, each watched from outside and replaced when it dies."""

import contextlib
import multiprocessing
import os
import platform
import signal
import sys
import time
from collections.abc import Mapping
from multiprocessing.connection import Connection, wait
from typing import Any

import psutil

from verixplain.jobs.job import Limits
from verixplain.jobs.parts import executors

PULSE = 0.1
"""Seconds between two looks at a worker's memory."""

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

_VISIBLE = "CUDA_VISIBLE_DEVICES"
_DRIVER = "/proc/driver/nvidia/gpus"


def _devices() -> list[str]:
    """The GPUs of this machine that may be used, without asking torch."""
    named = os.environ.get(_VISIBLE)
    if named is not None:
        return [one for one in named.split(",") if one]
    try:
        return [str(number) for number in range(len(os.listdir(_DRIVER)))]
    except OSError:
        return []


@executors.add
class Pool:
    """Spawned processes of one thread each; where there are GPUs, each sees one of them.

    A worker that uses more time or memory than its item may is killed; its item has then run out
    of it. A worker that dies otherwise takes only its item with it: the result says `died`.
    """

    enforces_limits = True

    def __init__(self, workers: int, limits: Limits) -> None:
        self.limits = limits
        self._context = multiprocessing.get_context("spawn")
        devices = _devices()
        self._devices = [
            devices[k % len(devices)] if devices else None for k in range(max(1, workers))
        ]
        self._workers = [_Worker(self._context, limits, one) for one in self._devices]

    @property
    def free(self) -> int:
        """How many tasks can be submitted now."""
        return sum(worker.name is None for worker in self._workers)

    def submit(self, name: str, task: Mapping[str, Any], seconds: float | None) -> None:
        """Give a task to an idle worker; one that is ready first."""
        idle = [worker for worker in self._workers if worker.name is None]
        ready = [worker for worker in idle if worker.ready]
        (ready or idle)[0].submit(name, task, seconds)

    def wait(self) -> list[tuple[str, dict[str, Any]]]:
        """Results that have come in, after one pulse at most."""
        handles: list[Any] = []
        for worker in self._workers:
            handles += [worker.pipe, worker.process.sentinel]
        wait(handles, timeout=PULSE)
        found = []
        for place, worker in enumerate(self._workers):
            name = worker.name
            result = worker.look()
            if result is not None and name is not None:
                found.append((name, result))
            if worker.dead:
                worker.end()
                self._workers[place] = _Worker(self._context, self.limits, self._devices[place])
        return found

    def close(self) -> None:
        """End every worker."""
        for worker in self._workers:
            worker.end()


class _Worker:
    """One process, and what it is doing."""

    def __init__(self, context: Any, limits: Limits, device: str | None) -> None:
        self.limits, self.dead, self.ready = limits, False, False
        self.pipe, theirs = context.Pipe()
        wanted: dict[str, str] = dict.fromkeys(_THREADS, "1")
        if device is not None:
            wanted[_VISIBLE] = device
        kept = {name: os.environ.get(name) for name in wanted}
        os.environ.update(wanted)
        try:
            self.process = context.Process(target=_serve, args=(theirs, limits.memory), daemon=True)
            self.process.start()
        finally:
            for name, value in kept.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})
        theirs.close()
        self.name: str | None = None
        self._waiting: tuple[Mapping[str, Any], float | None] | None = None
        self._seconds: float | None = None
        self._begin = self._idle = 0.0

    def submit(self, name: str, task: Mapping[str, Any], seconds: float | None) -> None:
        self.name, self._waiting = name, (task, seconds)
        self._send()

    def _send(self) -> None:
        """Hand over the task; its time begins here, not while the worker still starts."""
        if not self.ready or self._waiting is None:
            return
        task, self._seconds = self._waiting
        self._waiting, self._begin = None, time.monotonic()
        self._idle = self._memory()
        with contextlib.suppress(OSError):  # a broken pipe is seen by `look`
            self.pipe.send(task)

    def look(self) -> dict[str, Any] | None:
        """The result of the task, if it has come or can never come any more."""
        try:
            if self.pipe.poll():
                message = self.pipe.recv()
                if message == "ready":
                    self.ready = True
                    self._send()
                    return None
                self.name = None
                return message
        except (EOFError, OSError):
            self.dead = True
        if not self.process.is_alive():
            self.dead = True
        if self.dead:
            return self._gone()
        if self.name is None or self._waiting is not None:
            return None
        spent = time.monotonic() - self._begin
        if self._seconds is not None and spent > self._seconds:
            return self._killed("timeout", f"killed after {spent:.1f} s of {self._seconds:g} s")
        used = self._memory() - self._idle
        if self.limits.memory is not None and used > self.limits.memory:
            words = f"killed with {used / 2**20:,.0f} MiB of {self.limits.memory / 2**20:,.0f} MiB"
            return self._killed("out-of-memory", words)
        return None

    def _memory(self) -> float:
        """Resident bytes."""
        try:
            return psutil.Process(self.process.pid).memory_info().rss
        except psutil.Error:
            return 0.0

    def _killed(self, outcome: str, reason: str) -> dict[str, Any]:
        seconds = time.monotonic() - self._begin
        self.dead, self.name = True, None
        self.process.kill()
        return {
            "outcome": outcome, "reason": reason, "seconds": seconds, "host": platform.node()
        }  # fmt: skip

    def _gone(self) -> dict[str, Any] | None:
        """What the death of the worker means for its task."""
        name, self.name = self.name, None
        self.process.join(5)
        if name is None:
            return None
        code = self.process.exitcode
        words = f"exit code {code}"
        if code is not None and code < 0:
            with contextlib.suppress(ValueError):
                words = signal.Signals(-code).name
        seconds = time.monotonic() - self._begin if self._begin else 0.0
        return {
            "outcome": "error",
            "reason": f"the worker died ({words})",
            "seconds": seconds,
            "host": platform.node(),
            "died": True,
        }

    def end(self) -> None:
        self.process.kill()
        self.process.join(5)
        self.pipe.close()


def _serve(pipe: Connection, memory: int | None) -> None:
    """The life of a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the coordinator ends it
    sys.stdout = sys.stderr
    from verixplain.jobs.work import perform, prepare

    prepare()
    pipe.send("ready")
    while True:
        try:
            task = pipe.recv()
        except (EOFError, OSError):
            return
        _limit(memory)
        pipe.send(perform(task))


def _limit(memory: int | None) -> None:
    """Let an allocation fail that alone would pass the limit, before the memory is really used."""
    if memory is None:
        return
    import resource

    with contextlib.suppress(ValueError, OSError, psutil.Error):
        size = psutil.Process().memory_info().vms + memory
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (size, hard))
