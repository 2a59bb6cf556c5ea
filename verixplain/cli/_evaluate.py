"""Evaluating methods on inputs, and what is said and written about it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR
from functools import partial
from typing import Any

import numpy as np

from verixplain.cli._options import with_arrays
from verixplain.cli._show import console, progress, show_rows
from verixplain.errors import InputError, SettingError
from verixplain.evaluation import Case, Evaluation, evaluate, made_metric
from verixplain.explainer import made
from verixplain.features import plane
from verixplain.inputs import InputFile, array
from verixplain.metrics._agreement import Agreement
from verixplain.network import Network
from verixplain.query import Query
from verixplain.report.json import model_dict
from verixplain.report.tables import save_evaluation
from verixplain.report.view import interval, shown
from verixplain.request import Request

ABREAST = 4
"""Metrics side by side in one table."""


@dataclass
class Job:
    """One call of `verixplain evaluate`."""

    network: Network
    text: str
    methods: Sequence[str]
    metrics: Sequence[str]
    audit: int | None
    masks: str | None
    settings: Mapping[str, Any]
    request: Callable[[str | None], Request]
    raw: bool | None = None
    out: str | None = None

    def run(self) -> int:
        """Evaluate, print and write; the exit code."""
        names, settings = list(self.metrics), by_part(self.settings, self.network)
        if self.audit is not None:
            names += ["audit"] * ("audit" not in names)
            settings.setdefault("audit", {})["k"] = self.audit
        methods = [made(name, settings.pop(name, {})) for name in self.methods]
        metrics = [made_metric(name, settings.pop(name, {})) for name in names]
        if settings:
            raise SettingError(f"--set names {', '.join(settings)}, which is not evaluated")
        boxed = any(one.uses_box for one in methods)
        boxed |= any(one.needs == "verified map" for one in metrics)
        asked = self.request(None if boxed else "0")
        cases = list(cases_of(self.network, self.text, asked, self.raw, self.masks))
        with progress() as tell:
            found = evaluate(cases, methods, metrics, folder=self.out, progress=tell)
        show(found)
        words = f"{len(cases)} inputs; {found.known} rows were there already"
        if self.out is not None:
            about = {"model": model_dict(self.network), "data": self.text}
            save_evaluation(found, self.out, {**about, "request": asked.to_dict()})
            words += f"; written to {self.out}: evaluation.json, tables and pictures"
        console().print(f"\n{words}", markup=False)
        return 4 if found.failures() else 0


def by_part(settings: Mapping[str, Any], network: Network) -> dict[str, dict[str, Any]]:
    """Settings by the method, metric or check that they name.

    Raises:
        SettingError: one names none.
    """
    found: dict[str, dict[str, Any]] = {}
    for name, value in settings.items():
        part, separator, rest = name.partition(".")
        if not separator:
            raise SettingError(f"--set is {name}=...; give PART.NAME=VALUE, as deletion.steps=20")
        found.setdefault(part.replace("_", "-"), {})[rest] = value
    return {part: with_arrays(given, network) for part, given in found.items()}


def cases_of(
    network: Network, text: str, asked: Request, raw: bool | None, masks: str | None = None
) -> Iterator[Case]:
    """The inputs of a file as cases; masks belong to the inputs of the same number.

    Raises:
        InputError: no such inputs or masks.
    """
    file = InputFile(text, network.input_shape, network.input_dtype, network.card, raw)
    known = None if masks is None else array(masks)

    def query(index: int) -> Query:
        return asked.query(network, file.read(index))

    for index in file.indices:
        mask = None if known is None else _mask(network, known, index)
        yield Case(str(index), partial(query, index), mask)


def _mask(network: Network, masks: np.ndarray, index: int) -> np.ndarray:
    """The mask of one input, in its shape; a mask of pixels holds all their channels."""
    if index >= len(masks):
        raise InputError(f"there is no mask for input {index}; there are {len(masks)}")
    mask = masks[index] > 0
    if mask.shape == network.input_shape:
        return mask
    image = plane(network.input_shape, network.card.layout)
    if mask.size != len(image.pixels):
        raise InputError(
            f"a mask is {mask.shape}; it must have the input's shape {network.input_shape}, or "
            f"one number a pixel ({image.rows}x{image.columns})"
        )
    found = np.zeros(network.input_shape, dtype=bool)
    found.flat[image.pixels[mask.ravel()]] = True
    return found


def show(found: Evaluation) -> None:
    """Tables of a few metrics each, then what failed and why."""
    lines = {(line["method"], line["metric"]): line for line in found.table()}
    for start in range(0, len(found.metrics), ABREAST):
        part = found.metrics[start : start + ABREAST]
        arrows = {"higher": "↑", "lower": "↓"}
        rows = [("method", *(f"{one.name} {arrows[one.direction]}" for one in part), "seconds")]
        for method in found.methods:
            cells = [lines[method.name, one.name] for one in part]
            spent = [
                cell["explain_seconds"] for cell in cells if cell["explain_seconds"] is not None
            ]
            seconds = f"{spent[0]:.3g}" if spent else ""
            rows.append((method.name, *map(_cell, cells), seconds))
        show_rows(rows, whole=(0,))
        console().print()
    _show_radii(found, lines)
    _show_audit(found, lines)
    show_agreement(found.agreement)
    reasons: dict[tuple[str, str], list[str]] = {}
    for one in found.failures():
        rows = [f"{one['method']} on {name}" for name in one["inputs"]]
        reasons.setdefault((one["metric"], one["reason"]), []).extend(rows)
    for (metric, reason), rows in reasons.items():
        struck = ", ".join(rows[:6]) + (", ..." if len(rows) > 6 else "")
        words = f"{metric}: {len(rows)} rows failed: {reason} ({struck})"
        console().print(words, markup=False, soft_wrap=True)


Lines = Mapping[tuple[str, str], Mapping[str, Any]]


def _show_radii(found: Evaluation, lines: Lines) -> None:
    """What bounds show and what the attack found, for every share of the groups."""
    for metric in found.metrics:
        described = [lines[method.name, metric.name]["details"] for method in found.methods]
        shares = next((one["shares"] for one in described if "attacked" in one), None)
        if shares is None:
            continue
        rows = [(f"{metric.name}, [bounds, attack]", *(f"{100 * one:g} %" for one in shares))]
        for method, one in zip(found.methods, described, strict=True):
            attacked = one.get("attacked", [])
            cells = [f"[-, {shown(value, ROUND_CEILING)}]" for value in attacked]
            if "lower" in one:
                cells = [interval(*ends) for ends in zip(one["lower"], attacked, strict=True)]
            rows.append((method.name, *(cells or ["-"] * len(shares))))
        show_rows(rows, whole=(0,))
        console().print()


def _show_audit(found: Evaluation, lines: Lines) -> None:
    """How many of the best groups are among the best, are not, or are undecided."""
    if not any(one.name == "audit" for one in found.metrics):
        return
    rows: list[tuple[str, ...]] = [
        ("audit: mean number of the top groups", "in (estimate)", "out (estimate)", "undecided")
    ]
    for method in found.methods:
        one = lines[method.name, "audit"]["details"]
        cells = [f"{one[name]:.2f} of {one['k']:.0f}" for name in ("in", "out", "undecided") if one]
        rows.append((method.name, *(cells or ["-"] * 3)))
    show_rows(rows, whole=(0,))
    console().print()


def show_agreement(found: Agreement) -> None:
    """With which method each one ranks the groups most alike, and least."""
    rows: list[tuple[str, ...]] = [("rank correlation of maps", "most with", "least with", "mean")]
    for number, name in enumerate(found.methods):
        others = np.delete(found.mean[number], number)
        names = np.delete(np.array(found.methods), number)
        known = np.flatnonzero(~np.isnan(others))
        if not len(known):
            continue
        ends = known[others[known].argmax()], known[others[known].argmin()]
        cells = [f"{names[end]} {others[end]:.2f}" for end in ends]
        rows.append((name, *cells, f"{others[known].mean():.2f}"))
    if len(rows) > 2:
        show_rows(rows, whole=(0,))
        console().print()


def _cell(line: Mapping[str, Any]) -> str:
    """Mean and standard error, what bounds show, and what is missing."""
    if line["mean"] is None:
        return f"- ({line['failed']} failed)"
    words = f"{line['mean']:.3f}"
    if line["standard_error"] is not None:
        words += f" ± {line['standard_error']:.3f}"
    if line["lower_mean"] is not None:
        words += f" [>= {shown(line['lower_mean'], ROUND_FLOOR)}]"
    counts = [(line["failed"], "failed"), (line["undefined"], "undefined")]
    missing = ", ".join(f"{count} {what}" for count, what in counts if count)
    return f"{words} ({missing})" if missing else words
