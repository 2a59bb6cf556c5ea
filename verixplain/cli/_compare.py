"""Explaining one input by several methods, for one picture."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from verixplain.cli._evaluate import by_part, show_agreement
from verixplain.cli._show import console, progress, show_rows
from verixplain.errors import InputError, SettingError, SoundnessAlarm, VerixplainError
from verixplain.explainer import made
from verixplain.explanation import Explanation
from verixplain.inputs import InputFile
from verixplain.metrics._agreement import agreement
from verixplain.network import Network
from verixplain.report.figures.agreement import agreement_squares
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
        files = {picture.name: as_png(comparison(found))}
        alike = agreement(
            [one.method for one in found], [{o.method: o.group_scores for o in found}]
        )
        if any(pair["count"] for pair in alike.pairs()):
            files[f"{picture.stem}-agreement.png"] = as_png(agreement_squares(alike))
        write(picture.parent, files)
        rows = [("method", "guarantee", "seconds")]
        rows += [(one.method, one.guarantee, f"{one.timing['total']:.3g}") for one in found]
        show_rows(rows)
        console().print()
        show_agreement(alike)
        places = ", ".join(str(picture.with_name(name)) for name in files)
        console().print(f"written to {places}", markup=False, soft_wrap=True)
        return 4 if failed else 0
