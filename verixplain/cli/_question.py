"""What is asked about an input: the flags that every command with a box has."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from verixplain.cli._options import added

if TYPE_CHECKING:
    from verixplain.request import Request

radius_option = added(
    click.option(
        "--radius",
        metavar="N|FILE",
        help="How far inputs move (epsilon in the paper), or each; for methods that look at a box.",
    )
)

region_options = added(
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

question_options = added(radius_option, region_options)


def request(flags: Mapping[str, Any], radius: float | str | None = None) -> "Request":
    """What the flags ask; `radius` is that of a box where they name none."""
    from verixplain.request import Request

    boxed = any(flags.get(name) is not None for name in ("radius", "lower", "upper"))
    return Request(
        radius=flags["radius"] if boxed else radius,
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
