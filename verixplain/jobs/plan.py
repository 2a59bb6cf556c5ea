"""Job -> items, each with the hash of everything that decides its result."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from verixplain import __version__
from verixplain.jobs.data import asked
from verixplain.jobs.job import FILES, DataEntry, Job, MethodEntry, ModelEntry, QuestionEntry
from verixplain.jobs.work import file_sha256


@dataclass(frozen=True)
class Item:
    """One piece of work.

    Args:
        key: SHA-256 of everything that decides the result.
        names: what it is about, in the job's words: model, data, index, question, method.
        task: what a worker is told.
        claims: the kinds of claim that are planned for it.
        seconds: its limit of wall time, None for none.
        failed: (outcome, reason) where it is known beforehand that it cannot run.
        facts: what planning found out about its input.
    """

    key: str
    names: Mapping[str, Any]
    task: Mapping[str, Any]
    claims: tuple[str, ...]
    seconds: float | None
    failed: tuple[str, str] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


def surveys(job: Job) -> dict[str, dict[str, Any]]:
    """The tasks that look at every model and the inputs meant for it, by the model's name."""
    found = {}
    for model in job.models:
        data = {d.name: (d.address, d.raw) for d in job.data if _meant(d.models, model.name)}
        found[model.name] = {"kind": "survey", "model": _model(model), "data": data}
    return found


def items(job: Job, surveyed: Mapping[str, Mapping[str, Any]]) -> list[Item]:
    """Every item of a job, each once.

    Args:
        job: the job.
        surveyed: the result of each survey.
    """
    found: dict[str, Item] = {}
    for item in (*_explanations(job, surveyed), *_instances(job)):
        found.setdefault(item.key, item)
    return list(found.values())


def _explanations(job: Job, surveyed: Mapping[str, Mapping[str, Any]]) -> Iterator[Item]:
    hashes: dict[str, str] = {}
    for model in job.models:
        result = surveyed[model.name]
        digest = file_sha256(model.path)
        for data in job.data:
            if not _meant(data.models, model.name):
                continue
            for line in _lines(result, data):
                for question in job.questions:
                    meant = _meant(question.models, model.name) and _meant(question.data, data.name)
                    if not meant:
                        continue
                    for method in job.methods:
                        yield _explanation(
                            job, model, digest, result, data, line, question, method, hashes
                        )


def _lines(result: Mapping[str, Any], data: DataEntry) -> list[Mapping[str, Any]]:
    """What the survey says of each input; where it failed, what the address alone says."""
    if result["outcome"] == "done":
        return result["facts"]["data"][data.name]
    return [{"index": index, "failed": result["outcome"], "error": result["reason"]}
            for index in asked(data.address)]  # fmt: skip


def _explanation(
    job: Job,
    model: ModelEntry,
    digest: str,
    result: Mapping[str, Any],
    data: DataEntry,
    line: Mapping[str, Any],
    question: QuestionEntry,
    method: MethodEntry,
    hashes: dict[str, str],
) -> Item:
    settings = dict(method.settings)
    if _has_seed(method.method):
        settings.setdefault("seed", job.seed)
    request = dict(question.request)
    kind = "certify" if method.budget else "explain"
    proof = {"budget": method.budget, "options": dict(method.options)} if method.budget else {}
    about = {
        "kind": kind,
        "model": result["facts"]["sha256"] if result["outcome"] == "done" else digest,
        "card": result["facts"]["card"] if result["outcome"] == "done" else dict(model.settings),
        "part": {k: model.settings[k] for k in ("output", "shape") if k in model.settings},
        "input": line.get("sha256", [_file(data.address, hashes), line["index"]]),
        "label": line.get("label"),
        "question": _hashed(request, hashes),
        "method": method.method,
        "settings": settings,
        "claims": list(method.claims),
        "top_k": method.top_k,
        "package": __version__,
        **proof,
    }
    task = {
        "kind": kind,
        "model": _model(model),
        "address": data.address,
        "raw": data.raw,
        "index": line["index"],
        "question": request,
        "method": method.method,
        "settings": settings,
        "claims": list(method.claims),
        "top_k": method.top_k,
        **proof,
    }
    names = {
        "model": model.name,
        "data": data.name,
        "index": line["index"],
        "question": question.name,
        "method": method.name,
    }
    failed = (line.get("failed", "error"), line["error"]) if "error" in line else None
    facts = {"label": line.get("label")}
    return Item(key_of(about), names, task, method.claims, job.limits.seconds, failed, facts)


def _instances(job: Job) -> Iterator[Item]:
    hashes: dict[str, str] = {}
    for one in job.instances:
        model, query = _file(str(one.model), hashes), _file(str(one.query), hashes)
        about = {
            "kind": "verify",
            "model": model or str(one.model),
            "query": query or str(one.query),
            "seconds": one.seconds,
            "seed": job.seed,
            "package": __version__,
        }
        task = {
            "kind": "verify",
            "model": {"path": str(one.model)},
            "query": str(one.query),
            "seconds": one.seconds,
            "seed": job.seed,
        }
        names = {
            "model": one.model.name,
            "data": one.query.name,
            "index": None,
            "question": "property",
            "method": "verify",
        }
        limit = one.seconds * 1.1 + 2  # the solver stops itself; this is for one that does not
        yield Item(key_of(about), names, task, ("property",), limit)


def key_of(about: Mapping[str, Any]) -> str:
    """SHA-256 of canonical JSON."""
    text = json.dumps(about, sort_keys=True, separators=(",", ":"), default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
    """Tuples and paths as JSON has them."""
    return list(value) if isinstance(value, (tuple, set)) else str(value)


def _meant(names: tuple[str, ...], name: str) -> bool:
    return not names or name in names


def _model(model: ModelEntry) -> dict[str, Any]:
    return {"path": str(model.path), **model.settings}


def _has_seed(method: str) -> bool:
    """Whether a method has a setting `seed`, told from its file without running it."""
    import ast

    from verixplain.registry import methods

    folder = Path(__file__).parent.parent.joinpath(*methods.package.split(".")[1:])
    text = (folder / f"{method.replace('-', '_')}.py").read_text(encoding="utf-8")
    return any(
        isinstance(node, ast.AnnAssign) and getattr(node.target, "id", "") == "seed"
        for node in ast.walk(ast.parse(text))
    )


def _hashed(request: Mapping[str, Any], hashes: dict[str, str]) -> dict[str, Any]:
    """A question whose files stand as their content."""
    found = dict(request)
    for name in (*FILES, "radius"):
        if isinstance(found.get(name), str) and os.sep in found[name]:
            found[name] = _file(found[name], hashes)
    if str(found.get("groups", "")).startswith("labels:"):
        found["groups"] = "labels:" + _file(found["groups"][7:], hashes)
    return found


def _file(address: str, hashes: dict[str, str]) -> str:
    """The hash of the file that an address names, with what stands behind the path."""
    if address not in hashes:
        from verixplain.inputs import Address

        path = Path(address) if Path(address).exists() else Address.parse(address).path
        hashes[address] = file_sha256(path) + address[len(str(path)) :]
    return hashes[address]
