"""Explaining one input or several, and what is said and written about each."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from verixplain.cli._show import console, progress, show_rows, show_view
from verixplain.explainer import explain
from verixplain.explanation import Explanation
from verixplain.inputs import Input, InputFile
from verixplain.network import Network
from verixplain.report import save
from verixplain.report.files import csv_of, write
from verixplain.report.view import interval, view
from verixplain.request import Request

COLUMNS = (
    "index", "label", "predicted", "result", "guarantee", "overlap_lower", "overlap_upper", "pairs",
    "certified", "estimate", "undecided", "top_k", "top_k_members", "seconds", "folder", "error",
)  # fmt: skip


@dataclass
class Job:
    """One call of `verixplain explain`."""

    network: Network
    text: str
    request: Request
    method: str = "eva"
    settings: Mapping[str, Any] = field(default_factory=dict)
    raw: bool | None = None
    top_k: int = 3
    out: str | None = None
    rows: int = 10

    def run(self) -> int:
        """Explain every input asked for; the exit code."""
        network = self.network
        file = InputFile(
            self.text, network.input_shape, network.input_dtype, network.card, self.raw
        )
        address = file.address
        if len(file) > 1 or (address.start is not None and not address.one):
            return self._several(file)
        given = file.read(file.indices[0])
        explanation = self._explain(given)
        show_view(view(explanation, self.rows))
        out = console()
        words = f"\ninput {given.source}: numbers taken as {_units(given.units)}"
        out.print(words, markup=False)
        if self.out is not None:
            folder = save(explanation, self.out, self._words(given))
            out.print(
                f"written to {folder}: explanation.json, explanation.npz, heatmap.png", markup=False
            )
        return 0

    def _explain(self, given: Input) -> Explanation:
        query = self.request.query(self.network, given)
        with progress() as tell:
            return explain(query, self.method, top_k=self.top_k, progress=tell, **self.settings)

    def _words(self, given: Input) -> dict[str, Any]:
        """What was asked, for the record."""
        asked = self.request.to_dict()
        return {**asked, "input": given.source, "label": given.label, "read_as": given.units}

    def _several(self, file: InputFile) -> int:
        """Explain each input; one that fails does not lose the others."""
        out = Path(self.out) if self.out is not None else None
        lines: list[dict[str, Any]] = []
        for number, index in enumerate(file.indices, start=1):
            click.echo(f"input {index} ({number} of {len(file)})", err=True)
            lines.append(self._one(file, index, out))
            if out is not None:
                write(out, {"summary.csv": csv_of(lines, COLUMNS)})
        table = [("input", "label", "predicted", "overlap in the box", "pairs", "top k", "result")]
        table += [_shown(line) for line in lines]
        show_rows(table, right=(0, 1, 2))
        failed = sum(line["result"] == "error" for line in lines)
        words = f"\n{len(lines) - failed} of {len(lines)} inputs explained; numbers taken as "
        words += _units(file.units) + (f"; written to {out}" if out is not None else "")
        console().print(words, markup=False)
        return 4 if failed else 0

    def _one(self, file: InputFile, index: int, out: Path | None) -> dict[str, Any]:
        begin = time.perf_counter()
        line: dict[str, Any] = {"index": index, "result": "error"}
        try:
            given = file.read(index)
            line["label"] = given.label
            explanation = self._explain(given)
            if out is not None:
                save(explanation, out / str(index), self._words(given))
                line["folder"] = str(index)
            line.update(_numbers(explanation), result="done")
        except Exception as error:  # recorded; the next input does not depend on it
            line["error"] = f"{type(error).__name__}: {error}"
            click.echo(f"input {index}: {line['error']}", err=True)
        line["seconds"] = f"{time.perf_counter() - begin:.3f}"
        return line


def _numbers(explanation: Explanation) -> dict[str, Any]:
    """A line of the summary; numbers are exact."""
    values = explanation.to_dict()
    line = {"predicted": values["prediction"]["label"], "guarantee": values["guarantee"]}
    if values["overlap"] is not None:
        line["overlap_lower"] = values["overlap"]["lower"]
        line["overlap_upper"] = values["overlap"]["upper"]
    if values["order"] is not None:
        line.update(
            (k, values["order"][k]) for k in ("pairs", "certified", "estimate", "undecided")
        )
    if values["top_k"] is not None:
        line["top_k"] = values["top_k"]["status"]
        line["top_k_members"] = " ".join(map(str, values["top_k"]["members"]))
    return line


def _shown(line: Mapping[str, Any]) -> tuple[str, ...]:
    """A line of the summary, in words."""
    label, predicted = line.get("label"), line.get("predicted")
    overlap = pairs = ""
    if "overlap_lower" in line:
        overlap = interval(line["overlap_lower"], line["overlap_upper"])
    if "pairs" in line:
        pairs = f"{line['certified'] + line['estimate']} of {line['pairs']}"
    return (
        str(line["index"]),
        "" if label is None else str(label),
        "" if predicted is None else str(predicted),
        overlap,
        pairs,
        str(line.get("top_k", "")),
        line.get("error", "done"),
    )


def _units(units: str) -> str:
    return "raw, converted by the card" if units == "raw" else "the model's units"
