"""verixplain certify: what provably holds about a decision."""

from typing import Any

import click

from verixplain.cli._options import chosen, engine_options, load_network, model_options
from verixplain.cli._question import question_options, request
from verixplain.registry import claim_kinds


@click.command()
@click.argument("model")
@click.argument("input")
@question_options
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
@engine_options
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
def command(model: str, input: str, **flags: Any) -> int:
    """Prove claims about a decision of MODEL at INPUT, as far as the budget goes.

    What holds is handed to the independent checker: certified says that it accepted, over the
    reals (real) or for every float32 execution too (real+float32); estimate that it could not
    prove it. Exit code 0: every claim holds; 1: one is refuted; 3: one is undecided; 4: an error.
    Several inputs go to DIR/<index>/ each, with DIR/summary.csv.
    """  # fmt: skip
    from verixplain.cli._certify import Job

    options = {name: flags[name] for name in ("top_k", "shift", "sigma_box")}
    options["radius"] = "max" if flags["radius"] == "max" else None
    weights = flags["sigma_box"] is not None  # they move, and the input need not
    return Job(
        network=load_network(model, **flags),
        text=input,
        request=request(flags, 0.0 if weights else None),
        claims=flags["claims"],
        budget=flags["budget"],
        require=flags["require"],
        settings=chosen(flags),
        options={name: value for name, value in options.items() if value is not None},
        raw=flags["raw"],
        out=flags["out"],
    ).run()
