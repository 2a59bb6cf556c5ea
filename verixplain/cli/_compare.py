"""Explaining one input by several methods, for one picture."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from verixplain.cli._evaluate import by_part
from verixplain.cli._show import console, progress, show_rows
from verixplain.errors import InputError, SettingError, SoundnessAlarm, VerixplainError
from verixplain.explainer import made
from verixplain.explanation import Explanation
from verixplain.inputs import InputFile
from verixplain.network import Network
from verixplain.report.figures.canvas import as_png
from verixplain.report.figures.methods import comparison
from verixplain.report.files import write
from verixplain.request import Request


@dataclass
class Job:
    """One call of `verixplain compare`."""

    network: Network
    text: str
    methods: Sequence[str]
    settings: Mapping[str, Any]
    request: Callable[[str | None], Request]
    out: str
    raw: bool | None = None

    def run(self) -> int:
        """Explain, draw and print; the exit code."""
        if Path(self.out).suffix.lower() != ".png":
            raise SettingError(f"--out is {self.out!r}; the picture is a .png")
        settings = by_part(self.settings, self.network)
        methods = [made(name, settings.pop(name, {})) for name in self.methods]
        if settings:
            raise SettingError(f"--set names {', '.join(settings)}, which takes no part")
        network = self.network
        file = InputFile(
            self.text, network.input_shape, network.input_dtype, network.card, self.raw
        )
        if len(file) > 1:
            raise InputError(f"{self.text!r} holds {len(file)} inputs; name one, as {self.text}#0")
        asked = self.request(None if any(one.uses_box for one in methods) else "0")
        query = asked.query(network, file.read(file.indices[0]))
        found: list[Explanation] = []
        failed = []
        with progress() as tell:
            for number, method in enumerate(methods, start=1):
                try:
                    found.append(method.explain(query))
                except SoundnessAlarm:
                    raise
                except VerixplainError as error:
                    failed.append(f"left out: {method.name}: {type(error).__name__}: {error}")
                tell("methods", number, len(methods))
        for words in failed:
            click.echo(words, err=True)
        if not found:
            raise InputError("none of the methods could explain this input")
        picture = Path(self.out)
        write(picture.parent, {picture.name: as_png(comparison(found))})
        rows = [("method", "guarantee", "seconds")]
        rows += [(one.method, one.guarantee, f"{one.timing['total']:.3g}") for one in found]
        show_rows(rows)
        console().print(f"\nwritten to {self.out}", markup=False)
        return 4 if failed else 0
