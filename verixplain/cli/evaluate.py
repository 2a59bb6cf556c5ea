"""verixplain evaluate: how good methods are, by metrics, on many inputs."""

from functools import partial
from typing import Any

import click

from verixplain.cli._options import listed, load_network, model_options, setting, several_options
from verixplain.cli._question import question_options, request
from verixplain.registry import methods, metrics


@click.command()
@click.argument("model")
@click.argument("data")
@several_options(required=True)
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
@question_options
@click.option(
    "--out",
    metavar="DIR",
    help="Write evaluation.json, tables and pictures there; the same call goes on where it stood.",
)
@model_options
def command(model: str, data: str, **flags: Any) -> int:
    """Measure explanations of MODEL on DATA, method by metric.

    DATA is an INPUT of several. Prints mean and standard error over the inputs; the arrow says
    which is better, and [>= N] what bounds show (an estimate, as no checker saw them). Every two
    methods' maps are compared by rank correlation. A failure costs one row, is counted with its
    reason, and the exit code is then 4.

    Example: verixplain evaluate models/digits_cnn.onnx models/digits_inputs.npz#0:5
    --methods saliency,eva --metrics deletion,robustness-sr --audit 5 --radius 0.01
    """
    from verixplain.cli._evaluate import Job

    network = load_network(model, **flags)
    return Job(
        network=network,
        text=data,
        methods=listed(flags["method_names"], methods),
        metrics=listed(flags["metric_names"], metrics),
        audit=flags["audit"],
        masks=flags["masks"],
        settings=dict(map(setting, flags["settings"])),
        request=partial(request, flags),
        raw=flags["raw"],
        out=flags["out"],
    ).run()
