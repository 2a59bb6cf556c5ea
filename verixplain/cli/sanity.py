"""verixplain sanity: whether maps depend on the class and on what was learnt."""

from functools import partial
from typing import Any

import click

from verixplain.cli._options import listed, load_network, model_options, setting, several_options
from verixplain.cli._question import question_options, request
from verixplain.registry import checks, methods


@click.command()
@click.argument("model")
@click.argument("data")
@several_options(required=True)
@click.option(
    "--checks",
    "check_names",
    default=",".join(checks),
    show_default=True,
    metavar="A,B,...",
    help=f"Of: {', '.join(checks)}.",
)
@question_options
@click.option(
    "--out",
    metavar="DIR",
    help="Write sanity.json, sanity.csv, sanity.png and rows.jsonl; the same call goes on there.",
)
@model_options
def command(model: str, data: str, **flags: Any) -> int:
    """Check that explanations of MODEL on DATA depend on it.

    Maps are compared with those of another class (class), of networks whose layers are drawn anew
    from the last down (cascade), and of networks with noise on their weights (model-perturbation,
    to be read against the class's softmax). A map that stays the same does not look at what was
    changed. Constant maps are counted, not compared. Similarities are 1 for equal maps.

    Example: verixplain sanity models/digits_cnn.onnx models/digits_inputs.npz#0:5
    --methods saliency,grad-cam,guided-backprop --out verixplain-out/sanity
    """
    from verixplain.cli._sanity import Job

    network = load_network(model, **flags)
    return Job(
        network=network,
        text=data,
        methods=listed(flags["method_names"], methods),
        checks=listed(flags["check_names"], checks),
        settings=dict(map(setting, flags["settings"])),
        request=partial(request, flags),
        raw=flags["raw"],
        out=flags["out"],
    ).run()
