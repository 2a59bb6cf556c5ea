"""Several methods by several metrics on several inputs."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import rankdata

from verixplain.errors import SettingError, SoundnessAlarm
from verixplain.explainer import explain, made
from verixplain.explanation import Explanation
from verixplain.metrics._agreement import Agreement, agreement
from verixplain.metrics._base import Metric, Sample
from verixplain.query import Query
from verixplain.registry import metrics as metric_registry
from verixplain.rows import Rows, key_of

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class Case:
    """One input to evaluate on.

    Args:
        name: in results.
        query: a query, or what gives it; one that cannot be made costs the input's rows.
        mask: where the object is, bool in the input's shape.
    """

    name: str
    query: Query | Callable[[], Query]
    mask: np.ndarray | None = None

    @cached_property
    def asked(self) -> Query:
        """The query."""
        return self.query if isinstance(self.query, Query) else self.query()

    @cached_property
    def key(self) -> str:
        """What tells this case from another, whatever its name."""
        query = self.asked
        box, network = query.box, query.network
        return key_of(
            network.sha256,
            network.card.to_dict(),
            (box.center, box.lower, box.upper),
            query.target.to_dict(),
            list(query.groups.members),
            self.mask,
        )


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What was measured.

    Args:
        methods, metrics: in the order asked for.
        rows: one an input, method and metric: `input`, `method`, `metric`, `value` (None where it
            failed), `lower`, `undefined`, `error`, `seconds`, `explain_seconds`, `details`.
        agreement: between the maps of every two methods.
        known: how many rows were there already.
    """

    methods: tuple[Any, ...]
    metrics: tuple[Metric, ...]
    rows: tuple[dict[str, Any], ...]
    agreement: Agreement
    known: int = 0

    def table(self) -> list[dict[str, Any]]:
        """One line a method and metric: mean (or what the metric pools), error, counts, seconds."""
        return [self._line(method, metric) for method in self.methods for metric in self.metrics]

    def _line(self, method: Any, metric: Metric) -> dict[str, Any]:
        rows = [
            row for row in self.rows if (row["method"], row["metric"]) == (method.name, metric.name)
        ]
        good = [row for row in rows if row["value"] is not None]
        pooled, spread = metric.pooled(good) if good else (None, None)
        lowers = [row["lower"] for row in good if row["lower"] is not None]
        return {
            "method": method.name,
            "metric": metric.name,
            "direction": metric.direction,
            "mean": pooled,
            "standard_error": spread,
            "count": len(good),
            "failed": len(rows) - len(good),
            "undefined": sum(bool(row["undefined"]) for row in good),
            "lower_mean": float(np.mean(lowers)) if lowers else None,
            "lower_count": len(lowers),
            "explain_seconds": _mean([row["explain_seconds"] for row in good]),
            "seconds": _mean([row["seconds"] for row in good]),
            "details": _details([row["details"] for row in good]),
        }

    def failures(self) -> list[dict[str, Any]]:
        """Every reason why a row failed, with the inputs it struck."""
        found: dict[tuple[str, str, str], list[str]] = {}
        for row in self.rows:
            if row["value"] is None:
                reason = (row["method"], row["metric"], row["error"])
                found.setdefault(reason, []).append(row["input"])
        return [
            {"method": method, "metric": metric, "reason": reason, "inputs": inputs}
            for (method, metric, reason), inputs in found.items()
        ]


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _details(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Means of the details that are numbers, or lists of numbers of one length, in every row."""
    means: dict[str, Any] = {}
    for name in found[0] if found else ():
        values: list[Any] = [one.get(name) for one in found]
        if any(value is None or isinstance(value, str) for value in values):
            continue
        if len({np.shape(value) for value in values}) == 1:
            means[name] = np.mean(np.asarray(values, dtype=float), axis=0).tolist()
    return means


def evaluate(
    cases: Sequence[Case | Query],
    methods: Sequence[Any],
    metrics: Sequence[Any],
    *,
    folder: str | Path | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Measure every method by every metric on every input.

    A failure costs one row, which says why, and is tried again next time.

    Args:
        cases: queries, or cases with names and masks.
        methods, metrics: names, or methods and metrics.
        folder: keeps `rows.jsonl` and `ranks.jsonl`; what is there for the same question is not
            computed again. None keeps nothing.
        settings: of methods and metrics given by name, by that name.
        progress: told after every row.

    Raises:
        UnknownNameError: no such method or metric; the message lists them.
        SettingError: a setting that a part cannot have, or one part twice.
    """
    chosen = dict(settings or {})
    run = _Run(
        tuple(made(one, dict(chosen.pop(one, {}))) if isinstance(one, str) else one
              for one in methods),
        tuple(made_metric(one, chosen.pop(one, {})) if isinstance(one, str) else one
              for one in metrics),
        Rows(None if folder is None else Path(folder) / "rows.jsonl"),
        Rows(None if folder is None else Path(folder) / "ranks.jsonl"),
    )  # fmt: skip
    if chosen:
        raise SettingError(f"settings of {', '.join(chosen)}, which is not evaluated")
    for parts in (run.methods, run.metrics):
        names = [part.name for part in parts]
        if twice := {name for name in names if names.count(name) > 1}:
            raise SettingError(f"asked for twice: {', '.join(sorted(twice))}")
    tidy = [
        one if isinstance(one, Case) else Case(str(number), one) for number, one in enumerate(cases)
    ]
    total = len(tidy) * len(run.methods) * len(run.metrics)
    for case in tidy:
        run.input(case, partial(progress or _silent, "rows"), total)
    names = [one.name for one in run.methods]
    return Evaluation(
        run.methods, run.metrics, tuple(run.found), agreement(names, run.ranks), run.known
    )


def _silent(stage: str, done: int, total: int) -> None:
    """Tell nobody."""


def made_metric(name: str, settings: Mapping[str, Any]) -> Metric:
    """A metric by its name, with settings.

    Raises:
        UnknownNameError: no such metric.
        SettingError: a setting that it does not have.
    """
    try:
        return metric_registry[name](**settings)
    except TypeError as error:
        raise SettingError(f"metric {name!r}: {error}") from error


class _Once:
    """A map that is made when it is first asked for; a failure is raised again every time."""

    def __init__(self, make: Callable[[], Explanation]) -> None:
        self._make, self._error = make, None
        self._found: Explanation | None = None
        self.seconds = 0.0

    def __call__(self) -> Explanation:
        if self._found is None and self._error is None:
            begin = time.perf_counter()
            try:
                self._found = self._make()
            except Exception as error:
                self._error = error
            self.seconds = time.perf_counter() - begin
        if self._found is None:
            raise self._error  # type: ignore[misc]
        return self._found


@dataclass(eq=False)
class _Run:
    """The rows of one evaluation, growing."""

    methods: tuple[Any, ...]
    metrics: tuple[Metric, ...]
    kept: Rows
    kept_ranks: Rows
    found: list[dict[str, Any]] = field(default_factory=list)
    ranks: list[dict[str, np.ndarray]] = field(default_factory=list)
    known: int = 0

    @cached_property
    def eva(self) -> Any:
        """What makes the verified map: the EVA that is evaluated, if one is."""
        return next((one for one in self.methods if one.name == "eva"), made("eva", {}))

    def input(self, case: Case, told: Callable[[int, int], None], total: int) -> None:
        """Every method and metric on one input."""
        verify = _Once(lambda: explain(case.asked, self.eva))
        ranks: dict[str, np.ndarray] = {}
        for method in self.methods:
            found = _Once(lambda method=method: method.explain(case.asked))
            for metric in self.metrics:
                self.found.append(self._row(case, method, metric, found, verify))
                told(len(self.found), total)
            if len(self.methods) == 1:
                continue
            try:
                ranks[method.name] = self._ranked(case, method, found)
            except SoundnessAlarm:
                raise
            except Exception:  # the map's rows say why; without it no pair is compared here
                continue
        self.ranks.append(ranks)

    def _ranked(self, case: Case, method: Any, found: _Once) -> np.ndarray:
        """The ranks of the groups in a method's map."""
        key = key_of(case.key, method.name, method.settings())
        known = self.kept_ranks.get(key)
        if known is None:
            known = {"key": key, "ranks": rankdata(found().group_scores).tolist()}
            self.kept_ranks.keep(known)
        return np.array(known["ranks"])

    def _row(
        self, case: Case, method: Any, metric: Metric, found: _Once, verify: _Once
    ) -> dict[str, Any]:
        names = {"input": case.name, "method": method.name, "metric": metric.name}
        try:
            parts = [(one.name, one.settings()) for one in (method, metric)]
            beside = self.eva.settings() if metric.needs == "verified map" else None
            key = key_of(case.key, parts, beside)
            if (known := self.kept.get(key)) is not None:
                self.known += 1
                return {**known, **names}
            explanation = found()
            begin = time.perf_counter()
            measured = metric.measure(Sample(explanation, method, case.mask, verify))
        except SoundnessAlarm:
            raise
        except Exception as error:  # recorded; no other row depends on it
            words = f"{type(error).__name__}: {' '.join(str(error).split())}"
            return {**_EMPTY, **names, "error": words}
        row = {
            "key": key,
            **_EMPTY,
            **names,
            "value": measured.value,
            "lower": measured.lower,
            "undefined": measured.undefined,
            "seconds": time.perf_counter() - begin,
            "explain_seconds": found.seconds,
            "details": dict(measured.details),
        }
        self.kept.keep(row)
        return row


_EMPTY = {
    "value": None, "lower": None, "undefined": "", "error": "", "seconds": 0.0,
    "explain_seconds": 0.0, "details": {},
}  # fmt: skip
