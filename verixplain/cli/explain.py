"""verixplain explain: which groups of inputs keep the decision."""

from typing import Any

import click

from verixplain.cli._options import (
    chosen,
    engine_options,
    load_network,
    model_options,
    with_arrays,
)
from verixplain.cli._question import question_options, request
from verixplain.registry import methods


@click.command()
@click.argument("model")
@click.argument("input")
@question_options
@click.option("--method", default="eva", show_default=True, help=f"One of: {', '.join(methods)}.")
@click.option("--engine", help="How groups are bounded; per-group is as published.")
@engine_options
@click.option("--top-k", type=int, default=3, show_default=True, help="Groups to claim.")
@click.option("--out", metavar="DIR", help="Write explanation.json, explanation.npz, heatmap.png.")
@click.option("--rows", type=int, default=10, show_default=True, help="Groups to show.")
@model_options
def command(model: str, input: str, **flags: Any) -> int:
    """Explain a decision of MODEL at INPUT: which groups keep it.

    Several inputs (INPUT#0:5, or a file of many) go to DIR/<index>/ each, with DIR/summary.csv;
    one that fails is recorded there, and the exit code is then 4.
    """
    from verixplain.cli._explain import Job
    from verixplain.explainer import made

    network = load_network(model, **flags)
    settings = with_arrays(chosen(flags), network)
    return Job(
        network=network,
        text=input,
        request=request(flags, None if made(flags["method"], settings).uses_box else 0.0),
        raw=flags["raw"],
        method=flags["method"],
        settings=settings,
        top_k=flags["top_k"],
        out=flags["out"],
        rows=flags["rows"],
    ).run()
