"""verixplain methods: every method, what it needs, what it guarantees and what it costs."""

from typing import Any

import click


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(name: str | None, as_json: bool) -> int:
    """List every method, or say everything about method NAME.

    Costs are those of the default settings; gradients and evaluations are of single inputs.
    """
    from verixplain.attribution._catalogue import catalogue

    found = catalogue(name)
    if as_json:
        import json

        click.echo(json.dumps(found, indent=1))
    elif name is None:
        _show_all(found)
    else:
        _show_one(found[0])
    return 0


def _show_all(found: list[dict[str, Any]]) -> None:
    from verixplain.cli._show import show_rows

    rows = [("method", "needs", "guarantee", "cost", "source")]
    keys = ("name", "needs", "guarantee", "cost", "source")
    show_rows([*rows, *[tuple(one[key] for key in keys) for one in found]], whole=(0,))


def _show_one(found: dict[str, Any]) -> None:
    from verixplain.cli._show import console, show_facts, show_rows

    out = console()
    out.print(f"\n[bold]{found['name']}[/bold]")
    facts = [(key, found[key]) for key in ("summary", "needs", "guarantee", "cost", "source")]
    facts += [("known", found["sanity"])] if found["sanity"] else []
    show_facts(facts, out)
    out.print()
    rows = [("setting (--set NAME=VALUE)", "default", "meaning")]
    rows += [(one["name"], str(one["default"]), one["meaning"]) for one in found["settings"]]
    show_rows(rows, out=out)
