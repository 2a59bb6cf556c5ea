"""verixplain sweep: at which radius the map tells features apart."""

from dataclasses import replace
from typing import Any

import click

from verixplain.cli._options import chosen, engine_options, load_network, model_options
from verixplain.cli._question import region_options, request


@click.command()
@click.argument("model")
@click.argument("input")
@click.option(
    "--radii",
    required=True,
    metavar="FIRST:LAST:COUNT",
    help="Radii (epsilon in the paper), each the same factor above the one before.",
)
@region_options
@engine_options
@click.option("--out", metavar="DIR", help="Write sweep.json and sweep.png.")
@model_options
def command(model: str, input: str, radii: str, **flags: Any) -> int:
    """Show at which radius the map of MODEL at INPUT tells features apart.

    For every radius: how wide the enclosures of the groups are and how far apart, how many pairs
    are ordered (by enclosures and the exchange rule), and whether the decision is proved to stand.
    Ends with a recommendation. Nothing here was seen by the checker: bounds are estimates.
    """  # fmt: skip
    from verixplain.certify.sweep import radii_named, recommendation, sweep
    from verixplain.cli._show import console, progress, show_rows
    from verixplain.errors import SettingError
    from verixplain.explainer import made
    from verixplain.inputs import InputFile
    from verixplain.report.sweep import save_sweep
    from verixplain.report.view import interval, shown

    wanted = radii_named(radii)
    if flags["lower"] is not None:
        raise SettingError("a sweep makes its boxes from --radii; leave --lower and --upper out")
    asked = request(flags, wanted[0])
    network = load_network(model, **flags)
    file = InputFile(input, network.input_shape, network.input_dtype, network.card, flags["raw"])
    given = file.read(file.indices[0])

    def query_at(radius: float) -> Any:
        return replace(asked, radius=radius).query(network, given)

    found = []
    with progress() as tell:
        for one in sweep(query_at, wanted, made("eva", chosen(flags)), tell):
            found.append(one)
            tell("radius", len(found), len(wanted))
    rows = [("radius", "pairs", "spread", "mean width", "overlap in the box", "decision", "s")]
    rows += [
        (
            f"{one.radius:g}",
            f"{one.decided} of {one.pairs}",
            shown(one.spread),
            shown(one.width),
            interval(one.lower, one.upper),
            one.prediction,
            f"{one.seconds:.1f}",
        )
        for one in found
    ]
    show_rows(rows, right=(0, 1, 2, 3, 6))
    console().print(f"\n{recommendation(found)}", markup=False)
    if flags["out"] is not None:
        about = {**asked.to_dict(), "radii": radii, "input": given.source}
        about.pop("radius")
        folder = save_sweep(found, query_at(wanted[0]), about, flags["out"])
        console().print(f"written to {folder}: sweep.json, sweep.png", markup=False)
    return 0
