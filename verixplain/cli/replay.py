"""verixplain replay: run a witness in ONNX Runtime and say what it shows."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from verixplain.cli._options import load_network, model_options

if TYPE_CHECKING:
    from verixplain.replay import Replay


@click.command()
@click.argument("model")
@click.argument("witness")
@model_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(model: str, witness: str, as_json: bool, **flags: Any) -> int:
    """Run a witness in ONNX Runtime and say what it shows.

    WITNESS is PATH[:KEY][#I | #I:J], as a rule an explanation.npz: its best point of the whole
    box, or with #I the best point found with group I held. The exit code is 1 where a point does
    not lie in its box or does not hold its group still, exactly.
    """
    from verixplain.replay import replay

    network = load_network(model, **flags)
    found = replay(network, witness)
    if as_json:
        import json

        click.echo(json.dumps([{**asdict(one), "holds": one.holds} for one in found], indent=1))
    else:
        for one in found:
            _show(one)
    return 0 if all(one.holds for one in found) else 1


def _show(found: "Replay") -> None:
    from verixplain.cli._show import console, show_facts

    facts = [("outputs", ", ".join(f"{value:.6g}" for value in found.outputs))]
    if found.label is not None:
        facts.append(("class", str(found.label)))
    if found.overlap is not None:
        words = "the decision is another one here" if found.overlap >= 0 else "the decision stands"
        facts.append(("overlap", f"{found.overlap!r} ({found.row}): {words}"))
    if found.in_box is not None:
        facts.append(("in the box", "yes, every number" if found.in_box else "NO"))
    if found.held is not None:
        words = "held still, exactly" if found.held else "NOT held still"
        facts.append((f"group {found.group}", words))
    if found.moved is not None:
        facts.append(("moved", f"{found.moved} inputs differ from the input"))
    out = console()
    out.print(f"\n{found.source} in ONNX Runtime", markup=False, style="bold")
    show_facts(facts, out)
