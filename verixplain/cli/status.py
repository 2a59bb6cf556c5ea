"""verixplain status: how a run stands."""

from collections.abc import Mapping, Sequence
from typing import Any

import click


@click.command()
@click.argument("run")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--items", is_flag=True, help="With --json: every item with its claims.")
@click.option("--parquet", metavar="FILE", help="Write a table, one row a claim (parquet extra).")
@click.option(
    "--require",
    type=click.Choice(["estimate", "certified"]),
    default="estimate",
    show_default=True,
    help="The weakest status that counts as holding.",
)
def command(run: str, as_json: bool, items: bool, parquet: str | None, **flags: Any) -> int:
    """Say how a RUN stands: statuses, slowest items, failures, time left.

    Exit codes: 0 every claim holds, 1 something is refuted, 3 something is undecided, 4 an error.
    """
    from verixplain.jobs.summary import exit_code, rows, summary, to_parquet

    found = rows(run)
    if parquet is not None:
        to_parquet(found, parquet)
    if as_json:
        import json

        values = summary(found)
        click.echo(json.dumps({**values, "rows": found} if items else values, indent=1))
    else:
        show(found)
    return exit_code(found, flags["require"])


def show(items: Sequence[Mapping[str, Any]]) -> None:
    """The summary as tables."""
    from verixplain.cli._show import console, show_rows
    from verixplain.cli.run import duration
    from verixplain.explanation import STATUSES
    from verixplain.jobs.summary import summary

    found, out = summary(items), console()
    outcomes = ", ".join(f"{count} {name}" for name, count in found["outcomes"].items() if count)
    out.print(f"\n{found['items']} items: {outcomes}")
    if found["misclassified"]:
        out.print(f"{found['misclassified']} inputs are misclassified; they are counted above")
    if found["claims"]:
        used = [name for name in STATUSES if any(c[name] for c in found["claims"].values())]
        lines = [("claim", "planned", *used)]
        for kind, counts in found["claims"].items():
            lines.append((kind, str(counts["planned"]), *(str(counts[name]) for name in used)))
        show_rows(lines, right=range(1, len(used) + 2), out=out)
    if found["failures"]:
        out.print("\nfailures")
        for line in found["failures"]:
            text = f"  {line['items']} x {line['outcome']}: {line['reason']}"
            out.print(text, markup=False, soft_wrap=True)
    if found["slowest"]:
        out.print("\nslowest")
        for line in found["slowest"]:
            out.print(f"  {line['seconds']:.2f} s  {line['item']}", markup=False)
    if found["seconds_left"]:
        out.print(f"\nabout {duration(found['seconds_left'])} of work left for one worker")
