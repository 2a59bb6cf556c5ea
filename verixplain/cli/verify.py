"""verixplain verify: the standard interface of VNN-LIB solvers."""

import os
import sys
import threading
import time
from typing import Any

import click

from verixplain.errors import QueryError

SPARE = 1.0
"""Seconds before the time is over at which the answer is given, or 5 % of a shorter time."""


@click.command()
@click.argument("query")
@click.option(
    "--network",
    "networks",
    multiple=True,
    metavar="NAME=MODEL",
    help="The model of a declared network; of a version 1 query any name.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Answer by then, timed-out if need be; default: no limit.",
)
@click.option(
    "--serialise-assignments",
    "folder",
    metavar="DIR",
    help="Write a counterexample as ONNX tensors there instead of printing it.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the attack.")
def command(
    query: str,
    networks: tuple[str, ...],
    timeout: float | None,
    folder: str | None,
    **flags: Any,
) -> int:
    """Decide a VNN-LIB QUERY (1.0, 2.x; .gz too) about a model.

    The first line printed is sat (a counterexample exists; ONNX Runtime confirms it, and it
    follows), unsat (none exists in real arithmetic: the property holds), unknown, or timed-out.
    Everything else is said on standard error. The exit code is 0 where one of these is said.
    """
    watch = _Watch(timeout)
    from verixplain.vnnlib.parse import read

    specification = read(query)
    model = _model(specification.network, networks)
    say = _Log()
    import torch

    from verixplain.vnnlib.deadline import Deadline
    from verixplain.vnnlib.model import load_for
    from verixplain.vnnlib.solve import solve

    torch.set_num_threads(
        max(
            1,
            len(os.sched_getaffinity(0))
            if hasattr(os, "sched_getaffinity")
            else os.cpu_count() or 1,
        )
    )
    network = load_for(specification, model)
    answer = solve(specification, network, Deadline(watch.left), say, flags["seed"])
    for note in answer.notes:
        say(note)
    if answer.how:
        say(f"decided by: {answer.how}")
    lines = [answer.verdict]
    if answer.witness is not None:
        from verixplain.vnnlib.assignment import lines as assigned
        from verixplain.vnnlib.assignment import serialise

        if folder is not None:
            serialise(specification, answer.witness, folder)
        else:
            lines += assigned(specification, answer.witness)
    watch.answer(lines)
    return 0


def _model(name: str, networks: tuple[str, ...]) -> str:
    """The path of the one network's model.

    Raises:
        QueryError: a declared network without a model, or a model for none.
    """
    given: dict[str, str] = {}
    for text in networks:
        key, separator, path = text.partition("=")
        if not (separator and key and path):
            raise QueryError(f"--network is {text!r}; give NAME=MODEL")
        if key in given:
            raise QueryError(f"--network {key} is given twice")
        given[key] = path
    if len(given) != 1 or (name and name not in given):
        wanted = f"the query declares {name!r}" if name else "the query is about one network"
        listed = ", ".join(given) or "none"
        raise QueryError(f"{wanted}; give exactly --network {name or 'N'}=MODEL, not {listed}")
    return next(iter(given.values()))


class _Log:
    """Says on standard error what is done, with the seconds since the start."""

    def __init__(self) -> None:
        self.begin = time.monotonic()
        self.last = -1.0

    def __call__(self, words: str) -> None:
        now = time.monotonic() - self.begin
        if "boxes bounded" in words and now - self.last < 1:
            return
        self.last = now
        click.echo(f"{now:8.1f} s  {words}", err=True)


class _Watch:
    """Sees to it that an answer is there when the time is over, and that there is only one.

    A step that does not look at the clock (loading, one large bound) is not waited for.
    """

    def __init__(self, seconds: float | None) -> None:
        self.end: float | None = None
        self._lock = threading.Lock()
        if seconds is None:
            return
        import psutil

        spent = max(0.0, time.time() - psutil.Process().create_time())
        left = max(0.0, seconds - spent - min(SPARE, 0.05 * seconds))
        self.end = time.monotonic() + 0.97 * left  # the solver's own; then it is stopped
        timer = threading.Timer(left, self._over)
        timer.daemon = True
        timer.start()

    @property
    def left(self) -> float | None:
        """Seconds that are left."""
        return None if self.end is None else max(0.0, self.end - time.monotonic())

    def answer(self, lines: list[str]) -> None:
        """Print the answer; after this nothing else is said."""
        self._lock.acquire()  # never released: the watch must not speak any more
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()

    def _over(self) -> None:
        if self._lock.acquire(blocking=False):
            sys.stdout.write("timed-out\n")
            sys.stdout.flush()
            os._exit(0)
