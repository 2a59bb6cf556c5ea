"""verixplain sanity: whether maps depend on the class and on what was learnt."""

from typing import Any

import click

from verixplain.cli._options import load_network, model_options, setting
from verixplain.cli.explain import ASKED, _request
from verixplain.registry import checks, methods


def _options(command: Any) -> Any:
    for option in reversed(ASKED):
        command = option(command)
    return command


@click.command()
@click.argument("model")
@click.argument("data")
@click.option(
    "--methods",
    "method_names",
    required=True,
    metavar="A,B,...",
    help=f"Of: {', '.join(methods)}.",
)
@click.option(
    "--checks",
    "check_names",
    default=",".join(checks),
    show_default=True,
    metavar="A,B,...",
    help=f"Of: {', '.join(checks)}.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="PART.NAME=VALUE",
    help="A setting of a method or check, such as cascade.seed=1; @INPUT is a file's numbers.",
)
@_options
@click.option(
    "--out",
    metavar="DIR",
    help="Write sanity.json, sanity.csv, sanity.png and rows.jsonl; the same call goes on there.",
)
@model_options
@click.option("--debug", is_flag=True, help="Show tracebacks.")
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
        methods=flags["method_names"].split(","),
        checks=flags["check_names"].split(","),
        settings=dict(map(setting, flags["settings"])),
        request=lambda radius: _request({**flags, "radius": flags["radius"] or radius}),
        raw=flags["raw"],
        out=flags["out"],
    ).run()
