"""Several methods under several sanity checks on several inputs."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from verixplain.attribution._base import Attribution, Explained
from verixplain.errors import SettingError, SoundnessAlarm
from verixplain.evaluation import Case, Progress
from verixplain.explainer import made
from verixplain.query import Query
from verixplain.registry import checks as check_registry
from verixplain.rows import Rows, key_of
from verixplain.sanity._base import Check
from verixplain.sanity._similarity import similarities


@dataclass(frozen=True, eq=False)
class Examination:
    """What the checks found.

    Args:
        methods, checks: in the order asked for.
        rows: one an input, method and check: `input`, `method`, `check`, `error`, `seconds`, and
            `steps`, each with `name`, `level`, `score`, `constant`, `similarity` and `error`.
        known: how many rows were there already.
    """

    methods: tuple[Any, ...]
    checks: tuple[Check, ...]
    rows: tuple[dict[str, Any], ...]
    known: int = 0

    def table(self) -> list[dict[str, Any]]:
        """One line a method, check, step and measure: mean, standard error and counts."""
        lines = []
        for method in self.methods:
            for check in self.checks:
                rows = [
                    row
                    for row in self.rows
                    if (row["method"], row["check"]) == (method.name, check.name)
                ]
                lines += _lines(method.name, check.name, rows)
        return lines


def _lines(method: str, check: str, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    steps: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        for step in row["steps"]:
            steps.setdefault(step["name"], []).append(step)
    lines = []
    for name, found in steps.items():
        measures = {measure: None for step in found for measure in step["similarity"]}
        for measure in measures:
            known = [step["similarity"].get(measure) for step in found]
            values = np.array([value for value in known if value is not None])
            scores = [step["score"] for step in found if step["score"] is not None]
            lines.append(
                {
                    "method": method,
                    "check": check,
                    "step": name,
                    "level": float(np.mean([step["level"] for step in found])),
                    "similarity": measure,
                    "mean": float(values.mean()) if len(values) else None,
                    "standard_error": (
                        float(values.std(ddof=1) / len(values) ** 0.5) if len(values) > 1 else None
                    ),
                    "count": len(values),
                    "constant": sum(bool(step["constant"]) for step in found),
                    "failed": sum(bool(step["error"]) for step in found),
                    "score": float(np.mean(scores)) if scores else None,
                }
            )
    return lines


def examine(
    cases: Sequence[Case | Query],
    methods: Sequence[Any],
    checks: Sequence[Any],
    *,
    folder: str | Path | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    progress: Progress | None = None,
) -> Examination:
    """Compare maps with those of varied queries, and say how alike they stay.

    A map without any contrast is not compared but counted. A failure costs one step or one row,
    which says why; a row that failed is tried again next time.

    Args:
        cases: queries, or cases with names.
        methods, checks: names, or methods and checks.
        folder: keeps `rows.jsonl`, see `evaluate`.
        settings: of methods and checks given by name, by that name.
        progress: told after every row.

    Raises:
        UnknownNameError: no such method or check; the message lists them.
        SettingError: a setting that a part cannot have.
    """
    given = dict(settings or {})
    made_methods = tuple(
        made(one, dict(given.pop(one, {}))) if isinstance(one, str) else one for one in methods
    )
    made_checks = tuple(
        made_check(one, given.pop(one, {})) if isinstance(one, str) else one for one in checks
    )
    if given:
        raise SettingError(f"settings of {', '.join(given)}, which takes no part")
    kept = Rows(None if folder is None else Path(folder) / "rows.jsonl")
    rows: list[dict[str, Any]] = []
    known, total = 0, len(cases) * len(made_methods) * len(made_checks)
    for number, one in enumerate(cases):
        case = one if isinstance(one, Case) else Case(str(number), one)
        for method in made_methods:
            for check in made_checks:
                names = {"input": case.name, "method": method.name, "check": check.name}
                row, old = _row(case, method, check, kept)
                rows.append({**row, **names})
                known += old
                if progress is not None:
                    progress("rows", len(rows), total)
    return Examination(made_methods, made_checks, tuple(rows), known)


def made_check(name: str, settings: Mapping[str, Any]) -> Check:
    """A check by its name, with settings.

    Raises:
        UnknownNameError: no such check.
        SettingError: a setting that it does not have.
    """
    try:
        return check_registry[name](**settings)
    except TypeError as error:
        raise SettingError(f"sanity check {name!r}: {error}") from error


def _row(case: Case, method: Any, check: Check, kept: Rows) -> tuple[dict[str, Any], bool]:
    """The steps of one method under one check on one input, and whether they were known."""
    begin = time.perf_counter()
    try:
        key = key_of(case.key, [(one.name, one.settings()) for one in (method, check)])
        if (known := kept.get(key)) is not None:
            return known, True
        steps = _steps(case.asked, method, check)
    except SoundnessAlarm:
        raise
    except Exception as error:  # recorded; no other row depends on it
        return {"steps": [], "seconds": 0.0, "error": _said(error)}, False
    row = {"key": key, "steps": steps, "seconds": time.perf_counter() - begin, "error": ""}
    kept.keep(row)
    return row, False


def _steps(query: Query, method: Any, check: Check) -> list[dict[str, Any]]:
    scores, measures = method.explain(query).group_scores, similarities(query)
    whole, steps = _probability(query), []
    for variant in check.variants(query):
        share = None
        if whole is not None:  # of the class that was explained first, in the varied network
            now = _probability(Query(variant.query.network, query.box, query.target, query.groups))
            share = float(np.clip((now or 0.0) / whole, 0, 1))
        step = {"name": variant.name, "level": float(variant.level), "score": share}
        try:
            other = method.explain(variant.query).group_scores
        except SoundnessAlarm:
            raise
        except Exception as error:  # the varied network may have no boundary, say
            nothing = dict.fromkeys(measures)
            steps.append({**step, "similarity": nothing, "constant": False, "error": _said(error)})
            continue
        found = {name: measure(scores, other) for name, measure in measures.items()}
        constant = bool(np.ptp(scores) == 0 or np.ptp(other) == 0)
        steps.append({**step, "similarity": found, "constant": constant, "error": ""})
    return steps


def _probability(query: Query) -> float | None:
    """The softmax of the class; None without one."""
    if query.target.label_index is None:
        return None
    explained = Explained(query, Attribution(quantity="probability"), None)
    return float(explained.value(explained.x[None])[0])


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
