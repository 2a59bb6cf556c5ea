"""What commands show: tables on standard output, progress on standard error."""

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

if TYPE_CHECKING:
    from verixplain.report.view import View

PATIENCE = 2.0
"""Seconds without a progress bar."""

WIDTH = 110


def console() -> Console:
    """Standard output; as wide as its terminal, or wide enough for a table in a file."""
    plain = not sys.stdout.isatty()
    return Console(highlight=False, width=WIDTH if plain else None, soft_wrap=False)


def show_view(view: "View") -> None:
    """An explanation: headline, facts, and the groups that count most."""
    out = console()
    out.print(f"\n{view.title}", markup=False, style="bold")
    show_facts(view.facts, out)
    show_rows([astuple(view.headings), *map(astuple, view.rows)], right=(0, 2, 3), out=out)
    if view.left_out:
        out.print(f"and {view.left_out} more groups", style="dim")


def show_facts(facts: Sequence[tuple[str, str]], out: Console) -> None:
    """Pairs of a heading and a sentence."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(overflow="fold")
    for name, words in facts:
        table.add_row(escape(name), escape(words))
    out.print(table)


def show_rows(
    rows: Sequence[Sequence[str]],
    right: Sequence[int] = (),
    out: Console | None = None,
    whole: Sequence[int] = (),
) -> None:
    """A table whose first row is its head.

    Args:
        rows: of the table.
        right: columns that stand at the right.
        out: where to print.
        whole: columns whose words are never broken.
    """
    table = Table(header_style="bold", show_edge=False)
    for number, heading in enumerate(rows[0]):
        side = "right" if number in right else "left"
        table.add_column(escape(heading), justify=side, overflow="fold", no_wrap=number in whole)
    for row in rows[1:]:
        table.add_row(*map(escape, row))
    (out or console()).print(table)


@contextmanager
def progress(what: str = "") -> Iterator[Callable[[str, int, int], None]]:
    """A function to tell of progress; a bar stands on standard error after two seconds.

    Args:
        what: said in front of every stage.
    """
    # This very stream: bounds redirect sys.stderr while auto_LiRPA runs.
    console = Console(file=sys.stderr)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
    tasks: dict[str, TaskID] = {}

    def tell(stage: str, done: int, total: int) -> None:
        if stage not in tasks:
            tasks[stage] = bar.add_task(f"{what}{stage}", total=total)
        bar.update(tasks[stage], completed=done, total=total)

    start = threading.Timer(PATIENCE, bar.start)
    start.daemon = True
    start.start()
    try:
        yield tell
    finally:
        start.cancel()
        start.join()
        if bar.live.is_started:
            bar.stop()
