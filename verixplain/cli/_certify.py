"""Certifying one input or several, and what is said and written about each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_CEILING
from pathlib import Path
from typing import Any

import click

from verixplain.certificate.issue import issue
from verixplain.certify.budget import Budget
from verixplain.certify.claim import Finding, claims_named
from verixplain.certify.run import certify
from verixplain.cli._show import console, progress, show_rows
from verixplain.errors import VerixplainError
from verixplain.explainer import made
from verixplain.inputs import Input, InputFile
from verixplain.network import Network
from verixplain.report.claims import save_claims
from verixplain.report.files import csv_of, write
from verixplain.report.view import shown
from verixplain.request import Request

HOLDS, REFUTED, UNDECIDED, ERROR = 0, 1, 3, 4
COLUMNS = ("index", "code", "claims", "error")


@dataclass
class Job:
    """One call of `verixplain certify`."""

    network: Network
    text: str
    request: Request
    claims: Sequence[str]
    budget: str = ""
    require: str = "estimate"
    settings: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    raw: bool | None = None
    out: str | None = None

    def run(self) -> int:
        """Certify every input asked for; the exit code."""
        claims_named(self.claims, self.options)
        Budget(self.budget)
        network = self.network
        file = InputFile(
            self.text, network.input_shape, network.input_dtype, network.card, self.raw
        )
        address = file.address
        out = Path(self.out) if self.out is not None else None
        if len(file) == 1 and (address.start is None or address.one):
            code, _ = self._one(file.read(file.indices[0]), out)
            return code
        lines: list[dict[str, Any]] = []
        for index in file.indices:
            click.echo(f"input {index}", err=True)
            line: dict[str, Any] = {"index": index, "code": ERROR}
            try:
                folder = None if out is None else out / str(index)
                line["code"], found = self._one(file.read(index), folder)
                line["claims"] = " ".join(f"{name}={status}" for name, status in found)
            except VerixplainError as error:
                line["error"] = f"{type(error).__name__}: {error}"
                click.echo(line["error"], err=True)
            lines.append(line)
            if out is not None:
                write(out, {"summary.csv": csv_of(lines, COLUMNS)})
        codes = {line["code"] for line in lines}
        return next((worst for worst in (ERROR, REFUTED, UNDECIDED) if worst in codes), HOLDS)

    def _one(self, given: Input, folder: Path | None) -> tuple[int, list[tuple[str, str]]]:
        query = self.request.query(self.network, given)
        with progress() as tell:
            found = certify(
                query,
                self.claims,
                made("eva", dict(self.settings)),
                options=self.options,
                budget=self.budget,
                progress=tell,
            )
            tell("checking", 0, 1)
            found = issue(found)
        if folder is not None:
            asked = {"input": given.source, "label": given.label, "read_as": given.units}
            save_claims(found, folder, {**self.request.to_dict(), **asked}, self.budget)
        rows = [("claim", "status", "stopped by", "")]
        for words, one in zip(self.claims, found.claims, strict=True):
            rows.append((words, one.finding.status, one.stopped_by, _said(one.finding)))
        show_rows(rows)
        words = "\n" + "".join(f"{note}\n" for note in found.explanation.notes)
        words += f"{found.seconds:.1f} s"
        words += f"; written to {folder}" if folder is not None else ""
        console().print(words, markup=False)
        named = [(one.kind, one.finding.status) for one in found.claims]
        statuses = [status for _, status in named]
        if "error" in statuses:
            return ERROR, named
        if "refuted" in statuses:
            return REFUTED, named
        good = {"certified"} if self.require == "certified" else {"certified", "estimate"}
        return (HOLDS if set(statuses) <= good else UNDECIDED), named


def _said(finding: Finding) -> str:
    """The claim, and what the checker accepted of it."""
    words, details = finding.statement, finding.details or {}
    for name, bound in details.get("certified_bounds", {}).items():
        words += f"; checked, {name}: the overlap is at most {shown(bound, ROUND_CEILING)}"
    if "certified_pairs" in details:
        words += f"; checked, {finding.semantics}: {details['certified_pairs']} pairs"
    return words
