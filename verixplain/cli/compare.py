"""verixplain compare: one input, the maps of many methods, one picture."""

from functools import partial
from typing import Any

import click

from verixplain.cli._options import listed, load_network, model_options, setting, several_options
from verixplain.cli._question import question_options, request
from verixplain.registry import methods


@click.command()
@click.argument("model")
@click.argument("input")
@several_options(default="all", show_default=True)
@question_options
@click.option(
    "--out", metavar="FILE.png", default="comparison.png", show_default=True, help="The picture."
)
@model_options
def command(model: str, input: str, **flags: Any) -> int:
    """Draw the maps of several methods for MODEL at one INPUT side by side.

    A second picture, FILE-agreement.png, shows which methods rank the groups alike.

    A method that cannot explain this input is left out, and why is said; the exit code is then 4.
    """
    from verixplain.cli._compare import Job

    network = load_network(model, **flags)
    return Job(
        network=network,
        text=input,
        methods=listed(flags["method_names"], methods),
        settings=dict(map(setting, flags["settings"])),
        request=partial(request, flags),
        raw=flags["raw"],
        out=flags["out"],
    ).run()
