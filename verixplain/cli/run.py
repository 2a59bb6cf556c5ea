"""verixplain run: many models, inputs, questions and methods at once."""

import sys
import time
from typing import TYPE_CHECKING, Any

import click

from verixplain.registry import Registry

if TYPE_CHECKING:
    from verixplain.jobs.run import Plan, Progress

executors = Registry("executor", "verixplain.jobs.executors")


@click.command()
@click.argument("job")
@click.option("--out", metavar="RUN", help="Folder of the run; gone on with where it exists.")
@click.option("--workers", type=click.IntRange(min=1), metavar="N", help="Default: one a core.")
@click.option(
    "--executor",
    default="pool",
    show_default=True,
    metavar="NAME",
    help=f"One of: {', '.join(executors)}.",
)
@click.option("--dry-run", is_flag=True, help="Show the plan and what it may cost; run nothing.")
@click.option(
    "--require",
    type=click.Choice(["estimate", "certified"]),
    default="estimate",
    show_default=True,
    help="The weakest status that counts as holding.",
)
def command(job: str, out: str | None, **flags: Any) -> int:
    """Run a JOB (TOML, or a VNN-COMP instances.csv), or go on with it.

    The same command again computes nothing that is finished. Exit codes: 0 every claim holds,
    1 something is refuted, 3 something is undecided, 4 an item ended in an error.
    """
    from verixplain.jobs import run as jobs

    workers, executor = flags["workers"], flags["executor"]
    if flags["dry_run"]:
        _show_plan(jobs.plan(job, workers or 1, executor), workers)
        return 0
    if out is None:
        raise click.UsageError("give --out RUN, the folder of the run (or --dry-run)")
    if executor == "in-process":
        click.echo("in-process: limits of time and memory are not enforced", err=True)
    from verixplain.cli.status import show
    from verixplain.jobs.summary import exit_code

    items = jobs.run(job, out, workers=workers, executor=executor, told=_Teller())
    show(items)
    return exit_code(items, flags["require"])


class _Teller:
    """Says on standard error how far the run is: in place on a terminal, else now and then."""

    pause = 5.0

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.said = 0.0
        self.terminal = sys.stderr.isatty()

    def __call__(self, progress: "Progress") -> None:
        if progress.last:
            for part in progress.last.rpartition(": ")[2].split(", "):
                status = part.rpartition(" ")[2]
                self.counts[status] = self.counts.get(status, 0) + 1
        ended = progress.known + progress.done
        last = ended == progress.total
        now = time.monotonic()
        if not (self.terminal or last or not progress.done or now - self.said > self.pause):
            return
        self.said = now
        counts = ", ".join(f"{count} {name}" for name, count in sorted(self.counts.items()))
        words = f"[{ended}/{progress.total}] {counts}"
        if progress.known and not progress.done:
            words += f"{progress.known} finished before"
        if progress.left and not last:
            words += f"; about {duration(progress.left)} left"
        click.echo(f"\r\x1b[K{words}" if self.terminal else words, err=True, nl=not self.terminal)
        if self.terminal and last:
            click.echo(err=True)


def duration(seconds: float) -> str:
    """A time in the two units that matter."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _show_plan(plan: "Plan", workers: int | None) -> None:
    from verixplain.cli._show import console, show_rows

    out = console()
    counts: dict[tuple[str, ...], int] = {}
    for item in plan.items:
        name = tuple(str(item.names[key]) for key in ("model", "data", "question", "method"))
        counts[name] = counts.get(name, 0) + 1
    lines = [("model", "data", "question", "method", "items")]
    lines += [(*name, str(count)) for name, count in counts.items()]
    show_rows(lines, right=(4,), out=out)
    claims = sum(len(item.claims) for item in plan.items)
    broken = sum(item.failed is not None for item in plan.items)
    words = f"\n{len(plan.items)} items, {claims} claims"
    out.print(words + (f"; {broken} items cannot run (see below)" if broken else ""))
    for name, found in plan.surveyed.items():
        if found["outcome"] != "done":
            out.print(f"{name}: {found['outcome']}: {found['reason']}", markup=False)
            continue
        size = found["facts"]["crown_bytes"]
        cost = "no bounds" if size is None else f"CROWN about {size / 2**20:,.0f} MiB a box"
        out.print(f"{name}: {cost}", markup=False)
    limits = [item.seconds for item in plan.items if item.failed is None]
    if limits and None not in limits:
        total = sum(limit for limit in limits if limit is not None) / (workers or 1)
        out.print(f"at most {duration(total)} with {workers or 1} worker(s), by the limits")
    else:
        out.print("no limit of time: nothing can be said about the longest it may take")
