"""verixplain inspect: what a model is, and which bounds it can have."""

from typing import Any

import click

from verixplain.cli._options import load_network, model_options


@click.command()
@click.argument("model")
@click.argument("input", required=False)
@model_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(model: str, input: str | None, as_json: bool, **flags: Any) -> int:
    """Say what MODEL is, and which bounds it can have.

    Every node with its shape and how bounds see it (exact, relaxed, unsupported), the difference
    to ONNX Runtime (on INPUT, where one is given), and the memory that a CROWN bound takes.
    """
    from verixplain.inspection import inspection

    network = load_network(model, **flags)
    if input is not None:
        import numpy as np

        from verixplain.inputs import InputFile

        file = InputFile(input, network.input_shape, network.input_dtype, network.card)
        points = np.stack([file.read(index).values for index in file.indices])
        network.parity = network.compare(points)
    found = inspection(network)
    if as_json:
        import json

        click.echo(json.dumps(found, indent=1))
    else:
        _show(found)
    return 0


def _show(found: dict[str, Any]) -> None:
    from verixplain.cli._show import console, show_facts, show_rows

    parity, memory = found["parity"], found["crown_memory"]
    agreement = parity["reason"] or (
        f"largest difference {parity['absolute']:.3g} ({parity['relative']:.3g} relative) "
        f"over {parity['points']} points"
    )
    facts = [
        ("sha256", found["sha256"]),
        ("opset", str(found["opset"])),
        ("input", f"{_shape(found['input_shape'])} {found['input_dtype']}"),
        ("outputs", str(found["outputs"])),
        ("parameters", f"{found['parameters']:,}"),
        ("ONNX Runtime", agreement),
    ]
    if found["stripped"]:
        facts.append(("left out", f"the trailing {found['stripped']}: logits are explained"))
    if found["unbatchable"]:
        facts.append(("one by one", found["unbatchable"]))
    if memory:
        size = f"{memory['rows']:,} x {memory['inputs']:,} at the largest"
        facts.append(("CROWN memory", f"about {_bytes(memory['bytes'])} per box: {size}"))
        facts.append(("", memory["formula"]))
    else:
        facts.append(("bounds", f"none: {found['bounds']['reason']}"))
        facts.append(("", "methods without bounds (gradients) still work"))
    out = console()
    out.print(f"\n{found['name']}", markup=False, style="bold")
    show_facts(facts, out)
    out.print()
    rows = [("node", "operator", "shape", "bounds", "note")]
    rows += [
        (node["node"], node["operator"], _shape(node["shape"]), node["bounds"], node["note"])
        for node in found["nodes"]
    ]
    show_rows(rows, out=out)


def _shape(shape: list[int]) -> str:
    return "x".join(map(str, shape)) or "one number"


def _bytes(count: int) -> str:
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB"):
        if count < 1024 or unit == "TiB":
            break
        count /= 1024  # type: ignore[assignment]
    return f"{count:.3g} {unit}"
