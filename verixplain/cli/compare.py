"""verixplain compare: one input, the maps of many methods, one picture."""

from typing import Any

import click

from verixplain.cli._options import load_network, model_options, setting
from verixplain.cli.explain import ASKED, _request
from verixplain.registry import methods


def _options(command: Any) -> Any:
    for option in reversed(ASKED):
        command = option(command)
    return command


@click.command()
@click.argument("model")
@click.argument("input")
@click.option(
    "--methods",
    "method_names",
    default="all",
    show_default=True,
    metavar="A,B,...",
    help=f"Of: {', '.join(methods)}.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="METHOD.NAME=VALUE",
    help="A setting of a method, such as rise.masks=500; @INPUT is a file's numbers.",
)
@_options
@click.option(
    "--out", metavar="FILE.png", default="comparison.png", show_default=True, help="The picture."
)
@model_options
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def command(model: str, input: str, **flags: Any) -> int:
    """Draw the maps of several methods for MODEL at one INPUT side by side.

    A method that cannot explain this input is left out, and why is said; the exit code is then 4.
    """
    from verixplain.cli._compare import Job

    network = load_network(model, **flags)
    names = list(methods) if flags["method_names"] == "all" else flags["method_names"].split(",")
    return Job(
        network=network,
        text=input,
        methods=names,
        settings=dict(map(setting, flags["settings"])),
        request=lambda radius: _request({**flags, "radius": flags["radius"] or radius}),
        raw=flags["raw"],
        out=flags["out"],
    ).run()
