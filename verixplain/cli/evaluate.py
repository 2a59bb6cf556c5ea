"""verixplain evaluate: how good methods are, by metrics, on many inputs."""

from typing import Any

import click

from verixplain.cli._options import load_network, model_options, setting
from verixplain.cli.explain import ASKED, _request
from verixplain.registry import methods, metrics


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
    "--metrics",
    "metric_names",
    default="deletion,insertion,mu-fidelity",
    show_default=True,
    metavar="A,B,...",
    help=f"Of: {', '.join(metrics)}.",
)
@click.option(
    "--audit",
    type=int,
    metavar="K",
    help="Also say how many of a map's top K groups bounds show to be among the top K.",
)
@click.option("--masks", metavar="INPUT", help="Where the objects are, one mask an input of DATA.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="PART.NAME=VALUE",
    help="A setting of a method or metric, such as deletion.steps=20; @INPUT is a file's numbers.",
)
@_options
@click.option(
    "--out",
    metavar="DIR",
    help="Write evaluation.json, evaluation.csv and rows.jsonl; the same call goes on there.",
)
@model_options
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def command(model: str, data: str, **flags: Any) -> int:
    """Measure explanations of MODEL on DATA, method by metric.

    DATA is an INPUT of several. Prints mean and standard error over the inputs; the arrow says
    which is better, and [>= N] what bounds show (an estimate, as no checker saw them). A failure
    costs one row, is counted with its reason, and the exit code is then 4.

    Example: verixplain evaluate models/digits_cnn.onnx models/digits_inputs.npz#0:5
    --methods saliency,eva --metrics deletion,robustness-sr --audit 5 --radius 0.01
    """
    from verixplain.cli._evaluate import Job

    network = load_network(model, **flags)
    return Job(
        network=network,
        text=data,
        methods=flags["method_names"].split(","),
        metrics=[name for name in flags["metric_names"].split(",") if name],
        audit=flags["audit"],
        masks=flags["masks"],
        settings=dict(map(setting, flags["settings"])),
        request=lambda radius: _request({**flags, "radius": flags["radius"] or radius}),
        raw=flags["raw"],
        out=flags["out"],
    ).run()
