"""verixplain certify: what provably holds about a decision."""

from typing import Any

import click

from verixplain.cli._options import load_network, model_options, setting
from verixplain.cli.explain import ASKED, _request
from verixplain.registry import claim_kinds


def _options(command: Any) -> Any:
    for option in reversed(ASKED):
        command = option(command)
    return command


@click.command()
@click.argument("model")
@click.argument("input")
@_options
@click.option(
    "--claim",
    "claims",
    multiple=True,
    required=True,
    metavar="KIND",
    help=f"One of: {', '.join(claim_kinds)}; parameters after a colon (top-k:3, pair:12,40, "
    "map-stability:saliency). May be given several times.",
)
@click.option(
    "--top-k",
    type=int,
    metavar="K",
    help="Of map- and weight-stability: the K largest scores stay the same.",
)
@click.option(
    "--shift",
    metavar="N|max",
    help="Of stability: how far the input itself may move; max looks for the largest proved.",
)
@click.option(
    "--sigma-box",
    type=float,
    metavar="N",
    help="Of weight-stability: how far each weight moves, relative to its size.",
)
@click.option(
    "--budget",
    default="60s",
    show_default=True,
    metavar="N",
    help="For all claims of an input: seconds, 500nodes (the same everywhere), or none.",
)
@click.option("--bound", help="Bound method.")
@click.option("--dtype", help="Precision of the bounds: float64 or float32.")
@click.option("--device", help="auto, cpu, cuda or cuda:N.")
@click.option("--seed", type=int, help="Of everything random.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Any setting of EVA.")
@click.option(
    "--require",
    type=click.Choice(["estimate", "certified"]),
    default="estimate",
    show_default=True,
    help="What counts as holding.",
)
@click.option(
    "--out",
    metavar="DIR",
    help="Write what explain writes, claims.json and certificates (.vxcert).",
)
@model_options
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def command(model: str, input: str, **flags: Any) -> int:
    """Prove claims about a decision of MODEL at INPUT, as far as the budget goes.

    What holds is handed to the independent checker: certified says that it accepted, over the
    reals (real) or for every float32 execution too (real+float32); estimate that it could not
    prove it. Exit code 0: every claim holds; 1: one is refuted; 3: one is undecided; 4: an error.
    Several inputs go to DIR/<index>/ each, with DIR/summary.csv.
    """  # fmt: skip
    from verixplain.cli._certify import Job

    network = load_network(model, **flags)
    chosen = dict(map(setting, flags["settings"]))
    for name in ("bound", "dtype", "device", "seed"):
        if flags[name] is not None:
            chosen[name] = flags[name]
    options = {name: flags[name] for name in ("top_k", "shift", "sigma_box")}
    boxed = any(flags[name] is not None for name in ("radius", "lower", "upper"))
    if flags["sigma_box"] is not None and not boxed:
        flags["radius"] = "0"  # the weights move, the input need not
    options["radius"] = "max" if flags["radius"] == "max" else None
    return Job(
        network=network,
        text=input,
        request=_request(flags),
        claims=flags["claims"],
        budget=flags["budget"],
        require=flags["require"],
        settings=chosen,
        options={name: value for name, value in options.items() if value is not None},
        raw=flags["raw"],
        out=flags["out"],
    ).run()
