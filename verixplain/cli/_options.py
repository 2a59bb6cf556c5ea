"""Flags and arguments that several commands have, and what they become."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from verixplain.errors import SettingError
from verixplain.registry import bound_methods, methods

if TYPE_CHECKING:
    from verixplain.network import Network

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def added(*options: Callable[[Any], Any]) -> Callable[[Decorated], Decorated]:
    """A decorator that adds options to a command, listed in this order by its help."""

    def decorate(command: Decorated) -> Decorated:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


model_options = added(
    click.option("--output", metavar="NAME", help="Which output, where the model has several."),
    click.option(
        "--shape", metavar="N,N,...", help="The input's shape without the batch, if left open."
    ),
    click.option("--card", metavar="FILE", help="The model's card; default: MODEL.toml beside it."),
    click.option("--layout", metavar="NAME", help="nchw, nhwc, hw, flat or vec."),
    click.option("--scale", type=float, help="What raw numbers are multiplied with first."),
    click.option("--mean", metavar="N,...", help="Subtracted after that; one, or one a channel."),
    click.option("--std", metavar="N,...", help="Divided by after that; one, or one a channel."),
    click.option(
        "--range", type=float, nargs=2, metavar="LO HI", help="The data range, after --scale."
    ),
    click.option("--units", metavar="WORDS", help="What raw numbers are measured in."),
    click.option("--names", metavar="A,B,...", help="Names of the inputs of a table."),
    click.option("--labels", metavar="A,B,...", help="Names of the outputs."),
    click.option("--kind", metavar="NAME", help="Who wins: classes, scores-min, or value (none)."),
)
"""Which part of the model, and what its card says."""

engine_options = added(
    click.option("--bound", help=f"Bound method, one of: {', '.join(bound_methods)}."),
    click.option("--dtype", help="Precision of the bounds: float64 or float32."),
    click.option("--device", help="auto, cpu, cuda or cuda:N."),
    click.option("--seed", type=int, help="Of everything random."),
    click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="NAME=VALUE",
        help="Any setting of the method; base.NAME of the method inside it; @INPUT is a file's "
        "numbers.",
    ),
)
"""How bounds are computed, and every other setting of a method; `chosen` reads them."""


def several_options(**how: Any) -> Callable[[Decorated], Decorated]:
    """Several methods (`how` they are given), and settings of each part by its name."""
    return added(
        click.option(
            "--methods",
            "method_names",
            metavar="A,B,...",
            help=f"all, or some of: {', '.join(methods)}.",
            **how,
        ),
        click.option(
            "--set",
            "settings",
            multiple=True,
            metavar="PART.NAME=VALUE",
            help="A setting of a method, metric or check, such as rise.masks=500; @INPUT is a "
            "file's numbers.",
        ),
    )


def load_network(
    model: str,
    output: str | None,
    shape: str | None,
    card: str | None,
    layout: str | None,
    scale: float | None,
    mean: str | None,
    std: str | None,
    kind: str | None,
    **others: Any,
) -> "Network":
    """Load a model with the flags of `model_options`; a flag wins over the card."""
    from verixplain.network import load

    numbers = tuple(int(part) for part in split(shape, "--shape")) if shape else None
    network = load(model, output=output, shape=numbers, card=card)
    network.card = network.card.with_settings(
        layout=layout,
        scale=scale,
        mean=split(mean, "--mean") if mean else None,
        std=split(std, "--std") if std else None,
        range=others["range"] or None,
        kind=kind,
        units=others["units"],
        names=others["names"].split(",") if others["names"] else None,
        labels=others["labels"].split(",") if others["labels"] else None,
    )
    return network


def split(text: str, flag: str) -> list[float]:
    """Numbers with commas between.

    Raises:
        SettingError: something else.
    """
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise SettingError(f"{flag} is {text!r}; give numbers with commas between") from None


def setting(text: str) -> tuple[str, Any]:
    """`name=value` as a method's setting: a number, true, false, none, or a word.

    A word `@INPUT` stands for numbers in a file, which `with_arrays` reads.

    Raises:
        SettingError: there is no name or no value.
    """
    name, separator, value = text.partition("=")
    if not (name and separator):
        raise SettingError(f"--set is {text!r}; give name=value")
    known = {"true": True, "false": False, "none": None}
    if value.lower() in known:
        return name.replace("-", "_"), known[value.lower()]
    for kind in (int, float):
        try:
            return name.replace("-", "_"), kind(value)
        except ValueError:
            continue
    return name.replace("-", "_"), value


def chosen(flags: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a method that the flags of `engine_options` name."""
    named = {name: flags.get(name) for name in ("bound", "engine", "dtype", "device", "seed")}
    given = dict(map(setting, flags["settings"]))
    return given | {name: value for name, value in named.items() if value is not None}


def listed(words: str, every: Iterable[str]) -> list[str]:
    """`A,B,...` as names, where `all` stands for every one."""
    return list(every) if words == "all" else [name for name in words.split(",") if name]


def with_arrays(settings: Mapping[str, Any], network: "Network") -> dict[str, Any]:
    """Settings whose words `@PATH[:KEY][#I | #I:J]` are replaced by the inputs there.

    One input (#I) is an array in the input's shape; several have a batch dimension.
    """
    import numpy as np

    from verixplain.inputs import InputFile

    found = dict(settings)
    for name, value in settings.items():
        if isinstance(value, str) and value.startswith("@"):
            shape, dtype = network.input_shape, network.input_dtype
            file = InputFile(value[1:], shape, dtype, network.card)
            points = np.stack([file.read(index).values for index in file.indices])
            found[name] = points[0] if file.address.one or not file.several else points
    return found
