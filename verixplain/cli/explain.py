"""verixplain explain: which groups of inputs keep the decision."""

from typing import TYPE_CHECKING, Any

import click

from verixplain.cli._options import load_network, model_options, setting, with_arrays
from verixplain.registry import bound_methods, methods

if TYPE_CHECKING:
    from verixplain.request import Request

ASKED = (
    click.option(
        "--radius", metavar="N|FILE",
        help="How far inputs move (epsilon in the paper), or each; for methods that look at a box.",
    ),
    click.option(
        "--radius-units", default="model", show_default=True, metavar="UNITS",
        help="Of --radius and --clip: model (what the network sees), scaled (raw times the card's "
        "scale) or raw.",
    ),
    click.option(
        "--clip", type=float, nargs=2, metavar="LO HI",
        help="Cut the box with this data range; default: the card's range, where it has one.",
    ),
    click.option("--no-clip", is_flag=True, help="Leave the card's range alone."),
    click.option("--lower", metavar="INPUT", help="Lower end of the box, instead of a radius."),
    click.option("--upper", metavar="INPUT", help="Upper end of the box."),
    click.option(
        "--groups", metavar="WORDS",
        help="pixels | grid:HxW | superpixels:N | columns[:NAME=COL+COL,...] | labels:FILE; "
        "default: pixels of an image, columns of a table.",
    ),
    click.option(
        "--target", type=int, metavar="CLASS", help="The class to explain; default: the predicted."
    ),
    click.option("--against", type=int, metavar="CLASS", help="Compare with this class alone."),
    click.option("--at-most", type=float, metavar="N", help="One output: explain why it is <= N."),
    click.option("--at-least", type=float, metavar="N", help="One output: explain why it is >= N."),
    click.option(
        "--label-check", is_flag=True,
        help="Refuse an input that is not predicted as its label (--target, or the file's labels).",
    ),
    click.option(
        "--raw/--model-units", "raw", default=None,
        help="Units of INPUT; default: integers and pictures are raw, floats are the model's.",
    ),
)  # fmt: skip

HOW = (
    click.option(
        "--method", default="eva", show_default=True, help=f"One of: {', '.join(methods)}."
    ),
    click.option("--bound", help=f"Bound method, one of: {', '.join(bound_methods)}."),
    click.option("--engine", help="How groups are bounded; per-group is as published."),
    click.option("--dtype", help="Precision of the bounds: float64 or float32."),
    click.option("--device", help="auto, cpu, cuda or cuda:N."),
    click.option("--seed", type=int, help="Of everything random."),
    click.option("--top-k", type=int, default=3, show_default=True, help="Groups to claim."),
    click.option(
        "--set", "settings", multiple=True, metavar="NAME=VALUE",
        help="Any setting of the method; base.NAME of the method inside it; @INPUT is a file's "
        "numbers.",
    ),
)  # fmt: skip


def _options(command: Any) -> Any:
    for option in reversed((*ASKED, *HOW)):
        command = option(command)
    return command


@click.command()
@click.argument("model")
@click.argument("input")
@_options
@click.option("--out", metavar="DIR", help="Write explanation.json, explanation.npz, heatmap.png.")
@click.option("--rows", type=int, default=10, show_default=True, help="Groups to show.")
@model_options
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def command(model: str, input: str, **flags: Any) -> int:
    """Explain a decision of MODEL at INPUT: which groups keep it.

    Several inputs (INPUT#0:5, or a file of many) go to DIR/<index>/ each, with DIR/summary.csv;
    one that fails is recorded there, and the exit code is then 4.
    """
    from verixplain.cli._explain import Job

    network = load_network(model, **flags)
    chosen = with_arrays(dict(map(setting, flags["settings"])), network)
    for name in ("bound", "engine", "dtype", "device", "seed"):
        if flags[name] is not None:
            chosen[name] = flags[name]
    if flags["radius"] is None and flags["lower"] is None and flags["upper"] is None:
        from verixplain.explainer import made

        if not made(flags["method"], chosen).uses_box:
            flags["radius"] = "0"
    job = Job(
        network=network,
        text=input,
        request=_request(flags),
        raw=flags["raw"],
        method=flags["method"],
        settings=chosen,
        top_k=flags["top_k"],
        out=flags["out"],
        rows=flags["rows"],
    )
    return job.run()


def _request(flags: dict[str, Any]) -> "Request":
    from verixplain.request import Request

    return Request(
        radius=flags["radius"],
        units=flags["radius_units"],
        clip=flags["clip"] or None,
        no_clip=flags["no_clip"],
        lower=flags["lower"],
        upper=flags["upper"],
        groups=flags["groups"],
        target=flags["target"],
        against=flags["against"],
        at_most=flags["at_most"],
        at_least=flags["at_least"],
        check_label=flags["label_check"],
    )
