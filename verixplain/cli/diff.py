"""verixplain diff: what differs between two runs."""

import click


@click.command()
@click.argument("run_a")
@click.argument("run_b")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(run_a: str, run_b: str, as_json: bool) -> int:
    """Say which claims differ between two runs, and how.

    Claims are matched by model, data, input, question, method and kind, as the jobs name them.
    The exit code is 0, also where they differ.
    """
    from verixplain.jobs.summary import difference, rows

    found = difference(rows(run_a), rows(run_b))
    if as_json:
        import json

        click.echo(json.dumps(found, indent=1))
        return 0
    from verixplain.cli._show import console, show_rows

    out = console()
    out.print(
        f"\n{len(found['changed'])} claims changed their status, {len(found['moved'])} bounds "
        f"moved, {found['same']} are the same"
    )
    lines = [(one["claim"], str(one["from"]), str(one["to"]))
             for one in (*found["changed"], *found["moved"])]  # fmt: skip
    if lines:
        show_rows([("claim", "first run", "second run"), *lines], out=out)
    for side, words in (("only_first", "first"), ("only_second", "second")):
        if found[side]:
            out.print(f"\nonly in the {words} run: {len(found[side])}")
            for name in found[side][:20]:
                out.print(f"  {name}", markup=False)
    return 0
