"""The job file, TOML or a VNN-COMP instances.csv: read and checked before anything runs."""

import csv
import hashlib
import json
import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from verixplain.certify.budget import Budget
from verixplain.certify.claim import claim_named, claims_named
from verixplain.errors import JobError, SettingError, UnknownNameError
from verixplain.registry import claim_kinds
from verixplain.registry import methods as method_names

UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9}
UNITS |= {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}

FILES = ("lower", "upper")
"""Keys of a question that name input files."""


@dataclass(frozen=True)
class Limits:
    """What one item may use.

    Args:
        seconds: wall time; None is no limit.
        memory: bytes beyond an idle worker's; None is no limit.
        attempts: how often an item is tried whose worker died.
        gpus: of its machine that an item takes, also part of one (executor ray).
    """

    seconds: float | None = None
    memory: int | None = None
    attempts: int = 2
    gpus: float = 0.0


@dataclass(frozen=True)
class ModelEntry:
    """A model: where it lies, and what its card would say."""

    name: str
    path: Path
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DataEntry:
    """Inputs: an address, and the models they are for (none named: all)."""

    name: str
    address: str
    raw: bool | None = None
    models: tuple[str, ...] = ()


@dataclass(frozen=True)
class QuestionEntry:
    """Box, groups and target: the fields of a `Request`."""

    name: str
    request: Mapping[str, Any]
    models: tuple[str, ...] = ()
    data: tuple[str, ...] = ()


@dataclass(frozen=True)
class MethodEntry:
    """A method with its settings, and what is claimed of its explanations.

    With a budget the claims are proved as `verixplain certify` does; else they are judged by what
    the explanation says.
    """

    name: str
    method: str
    settings: Mapping[str, Any]
    claims: tuple[str, ...]
    top_k: int
    budget: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class InstanceEntry:
    """One line of an instances.csv."""

    model: Path
    query: Path
    seconds: float


@dataclass(frozen=True)
class Job:
    """A job as read.

    Args:
        text: the file's bytes as they were read; kept with the run.
        suffix: its ending.
    """

    name: str
    text: bytes
    suffix: str
    seed: int
    limits: Limits
    models: tuple[ModelEntry, ...]
    data: tuple[DataEntry, ...]
    questions: tuple[QuestionEntry, ...]
    methods: tuple[MethodEntry, ...]
    instances: tuple[InstanceEntry, ...]

    @property
    def sha256(self) -> str:
        """Of the file."""
        return hashlib.sha256(self.text).hexdigest()


def read(path: str | Path) -> Job:
    """Read a job file; paths in it are relative to its folder.

    Raises:
        JobError: no such file, not TOML, or a key or value that it cannot have.
    """
    path = Path(path)
    try:
        text = path.read_bytes()
    except OSError as error:
        raise JobError(f"cannot read the job {str(path)!r}: {error.strerror}") from error
    home = path.resolve().parent
    if path.suffix.lower() == ".csv":
        values: Any = {"instances": [{"path": path.name}]}
    else:
        try:
            values = tomllib.loads(text.decode("utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise JobError(f"{path.name} is not TOML: {error}") from error
    check(values, path.name)
    try:
        return _job(values, text, path, home)
    except (SettingError, UnknownNameError) as error:
        raise JobError(f"{path.name}: {error}") from error


def check(values: Mapping[str, Any], name: str) -> None:
    """Hold values against the published schema.

    Raises:
        JobError: where and what is wrong; unknown keys are named, with those there are.
    """
    from jsonschema import Draft202012Validator

    schema = json.loads((files("verixplain") / "schemas" / "job-1.json").read_text("utf-8"))
    errors = sorted(
        Draft202012Validator(schema).iter_errors(values),
        key=lambda e: list(map(str, e.absolute_path)),
    )
    if not errors:
        return
    error = errors[0]
    where = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in error.absolute_path)
    words = error.message
    if error.validator == "additionalProperties":
        known = error.schema["properties"]  # type: ignore[index]
        extra = [key for key in error.instance if key not in known]  # type: ignore[union-attr]
        words = f"no key {extra[0]!r}; there are: {', '.join(known)}"
    elif error.validator == "required":
        missing = [key for key in error.validator_value if key not in error.instance]  # type: ignore[operator,union-attr]
        words = f"the key {missing[0]!r} is missing"
    raise JobError(f"{name}{': ' + where.lstrip('.') if where else ''}: {words}")


def _job(values: Mapping[str, Any], text: bytes, path: Path, home: Path) -> Job:
    seed = values.get("seed", 0)
    models = tuple(_model(entry, home) for entry in values.get("models", ()))
    data = tuple(_data(entry, home) for entry in values.get("data", ()))
    questions = tuple(
        _question(entry, number, home) for number, entry in enumerate(values.get("questions", ()))
    )
    methods = tuple(_method(entry, seed) for entry in values.get("methods", ()))
    instances = tuple(
        line for entry in values.get("instances", ()) for line in _instances(entry, home)
    )
    for what, entries in (
        ("models", models), ("data", data), ("questions", questions), ("methods", methods)
    ):  # fmt: skip
        _distinct(what, [entry.name for entry in entries])
    _known(
        "models", [m.name for m in models], [name for e in (*data, *questions) for name in e.models]
    )
    _known("data", [d.name for d in data], [name for e in questions for name in e.data])
    parts = {"models": models, "data": data, "questions": questions, "methods": methods}
    absent = [name for name, entries in parts.items() if not entries]
    if absent and (len(absent) < 4 or not instances):
        raise JobError(f"{path.name}: the job has no {' and no '.join(absent)}")
    limits = values.get("limits", {})
    memory = limits.get("memory")
    seconds = limits.get("seconds")
    if seconds is not None and not math.isfinite(seconds):
        raise JobError(f"{path.name}: limits.seconds is {seconds}")
    return Job(
        values.get("name", path.stem),
        text,
        path.suffix.lower(),
        seed,
        Limits(
            seconds,
            None if memory is None else _bytes(memory),
            limits.get("attempts", 2),
            limits.get("gpus", 0.0),
        ),
        models,
        data,
        questions,
        methods,
        instances,
    )


def _model(entry: Mapping[str, Any], home: Path) -> ModelEntry:
    settings = {key: value for key, value in entry.items() if key not in ("path", "name")}
    if "card" in settings:
        settings["card"] = str(home / settings["card"])
    path = home / entry["path"]
    return ModelEntry(entry.get("name", path.stem), path, settings)


def _data(entry: Mapping[str, Any], home: Path) -> DataEntry:
    address = str(home / entry["path"])
    name = entry.get("name", re.split(r"[#:]", Path(entry["path"]).name)[0])
    return DataEntry(name, address, entry.get("raw"), tuple(entry.get("models", ())))


def _question(entry: Mapping[str, Any], number: int, home: Path) -> QuestionEntry:
    from verixplain.request import Request

    own = ("name", "models", "data")
    request = {key: value for key, value in entry.items() if key not in own}
    if "clip" in request:
        request["clip"] = tuple(request["clip"])
    for key in FILES:
        if key in request:
            request[key] = str(home / request[key])
    radius = request.get("radius")
    if isinstance(radius, str) and radius != "max" and not _is_number(radius):
        request["radius"] = str(home / request["radius"])
    if str(request.get("groups", "")).startswith("labels:"):
        request["groups"] = f"labels:{home / request['groups'][7:]}"
    Request(**request)
    name = entry.get("name", f"question {number}")
    return QuestionEntry(
        name, request, tuple(entry.get("models", ())), tuple(entry.get("data", ()))
    )


def _method(entry: Mapping[str, Any], seed: int) -> MethodEntry:
    method = entry["method"]
    if method not in set(method_names):
        raise JobError(f"methods: no method {method!r}; there are: {', '.join(method_names)}")
    claims, budget = tuple(entry.get("claims", ())), entry.get("budget", "")
    options = entry.get("options", {})
    _check_claims(claims, options, budget, method)
    return MethodEntry(
        entry.get("name", method),
        method,
        dict(entry.get("settings", {})),
        claims,
        entry.get("top_k", 3),
        budget,
        dict(options),
    )


def _check_claims(
    claims: tuple[str, ...], options: Mapping[str, Any], budget: str, method: str
) -> None:
    """Refuse claims that nobody knows, or that cannot be settled as the job says."""
    if (budget or options) and (method != "eva" or not claims):
        raise JobError("methods: budget and options go with the method eva and its claims")
    for words in claims:
        name, _, rest = words.partition(":")
        if name not in set(claim_kinds):
            raise JobError(f"claims: no claim {words!r}; there are: {', '.join(claim_kinds)}")
        if name == "top-k" and not rest and not budget:
            continue  # the k of the method
        try:
            _, kind = claim_named(words, options)
        except SettingError as error:
            raise JobError(f"claims: {error}") from error
        if not hasattr(kind, "judge") and not budget:
            raise JobError(
                f'claims: {name} has a proof of its own; give its method a budget, such as "20s"'
            )
    if budget:
        try:
            Budget(budget)
            claims_named(claims, options)
        except SettingError as error:
            raise JobError(f"methods: {error}") from error


def _instances(entry: Mapping[str, Any], home: Path) -> list[InstanceEntry]:
    """Every line of an instances.csv; where a file is missing, its packed form will do."""
    path = home / entry["path"]
    try:
        with path.open(newline="", encoding="utf-8") as file:
            lines = [line for line in csv.reader(file) if any(cell.strip() for cell in line)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise JobError(f"cannot read {str(path)!r}: {error}") from error
    found = []
    for number, line in enumerate(lines, start=1):
        cells = [cell.strip() for cell in line]
        if len(cells) != 3 or not _is_number(cells[2]) or not float(cells[2]) > 0:
            raise JobError(f"{path.name}, line {number}: expected is onnx,vnnlib,timeout")
        seconds = entry.get("seconds", float(cells[2]))
        model, query = (_packed(path.parent / cell) for cell in cells[:2])
        found.append(InstanceEntry(model, query, seconds))
    if not found:
        raise JobError(f"{path.name} has no instance")
    return found


def _packed(path: Path) -> Path:
    beside = path.with_suffix("") if path.suffix == ".gz" else path.with_name(path.name + ".gz")
    return beside if not path.exists() and beside.exists() else path


def _bytes(memory: str | int) -> int:
    if isinstance(memory, int):
        return memory
    match = re.fullmatch(r"([0-9.]+) ?([KMG]i?B|B)", memory)
    if match is None:
        raise JobError(f"memory is {memory!r}; give bytes, or a word such as '2 GiB'")
    return int(float(match[1]) * UNITS[match[2]])


def _is_number(text: object) -> bool:
    try:
        return math.isfinite(float(text))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False


def _distinct(what: str, names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise JobError(f"two {what} are called {name!r}; give each a name of its own")


def _known(what: str, names: Sequence[str], used: Sequence[str]) -> None:
    for name in used:
        if name not in names:
            raise JobError(f"there are no {what} called {name!r}; there are: {', '.join(names)}")
