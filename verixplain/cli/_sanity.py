"""Examining methods on inputs, and what is said and written about it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from verixplain.cli._evaluate import by_part, cases_of
from verixplain.cli._show import console, progress, show_rows
from verixplain.errors import SettingError
from verixplain.examination import Examination, examine, made_check
from verixplain.explainer import made
from verixplain.network import Network
from verixplain.report.json import model_dict
from verixplain.report.tables import save_examination
from verixplain.request import Request

SHOWN = "spearman"
"""The similarity that is printed; the files have all of them."""

ABREAST = 4
"""Methods side by side in one table."""


@dataclass
class Job:
    """One call of `verixplain sanity`."""

    network: Network
    text: str
    methods: Sequence[str]
    checks: Sequence[str]
    settings: Mapping[str, Any]
    request: Callable[[str | None], Request]
    raw: bool | None = None
    out: str | None = None

    def run(self) -> int:
        """Examine, print and write; the exit code."""
        settings = by_part(self.settings, self.network)
        methods = [made(name, settings.pop(name, {})) for name in self.methods]
        checks = [made_check(name, settings.pop(name, {})) for name in self.checks]
        if settings:
            raise SettingError(f"--set names {', '.join(settings)}, which takes no part")
        asked = self.request(None if any(one.uses_box for one in methods) else "0")
        cases = list(cases_of(self.network, self.text, asked, self.raw))
        with progress() as tell:
            found = examine(cases, methods, checks, folder=self.out, progress=tell)
        show(found)
        words = f"{len(cases)} inputs; {found.known} rows were there already"
        if self.out is not None:
            about = {"model": model_dict(self.network), "data": self.text}
            save_examination(found, self.out, {**about, "request": asked.to_dict()})
            words += f"; written to {self.out}: sanity.json, sanity.csv, sanity.png, rows.jsonl"
        console().print(f"\n{words}", markup=False)
        return 4 if any(row["error"] for row in found.rows) else 0


def show(found: Examination) -> None:
    """A table a check: rank correlation by step and method; then what failed and why."""
    lines = [line for line in found.table() if line["similarity"] == SHOWN]
    for check in found.checks:
        mine = [line for line in lines if line["check"] == check.name]
        cells = {(line["step"], line["method"]): line for line in mine}
        for start in range(0, len(found.methods), ABREAST):
            names = [one.name for one in found.methods[start : start + ABREAST]]
            rows = [(f"{check.name} ({SHOWN})", *names, "softmax kept")]
            for step in dict.fromkeys(line["step"] for line in mine):
                known = [cells[step, name] for name in names if (step, name) in cells]
                kept = [
                    f"{100 * line['score']:.0f} %" for line in known if line["score"] is not None
                ]
                words = [_cell(cells.get((step, name))) for name in names]
                rows.append((step, *words, kept[0] if kept else ""))
            show_rows(rows, whole=(0,))
            console().print()
    reasons: dict[str, list[str]] = {}
    for row in found.rows:
        where = f"{row['method']} on {row['input']}"
        for step in (row, *row["steps"]):
            if step["error"]:
                words = f"{row['check']}{', ' + step['name'] if 'name' in step else ''}"
                reasons.setdefault(f"{words}: {step['error']}", []).append(where)
    for reason, struck in reasons.items():
        listed = ", ".join(struck[:6]) + (", ..." if len(struck) > 6 else "")
        console().print(f"{reason} ({listed})", markup=False, soft_wrap=True)


def _cell(line: Mapping[str, Any] | None) -> str:
    """Mean and standard error, and how many inputs are not in it."""
    if line is None:
        return "-"
    words = "-" if line["mean"] is None else f"{line['mean']:.2f}"
    if line["standard_error"] is not None:
        words += f" ± {line['standard_error']:.2f}"
    counts = [(line["constant"], "constant"), (line["failed"], "failed")]
    missing = ", ".join(f"{count} {what}" for count, what in counts if count)
    return f"{words} ({missing})" if missing else words
