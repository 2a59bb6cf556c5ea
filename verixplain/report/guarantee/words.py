"""A report in words and rounded numbers, before it is a page: frozen rows made from report.json."""

import shlex
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from verixplain.explanation import STATUSES
from verixplain.report.view import MEANING, interval, shown

ARITHMETIC = {
    "real": "the network over the real numbers; how a computer rounds is not covered",
    "float32": "every float32 execution of the network, in any order of summation",
    "real+float32": "the network over the real numbers, and every float32 execution of it in any "
    "order of summation",
}
HOW_SURE = {
    "certified": "The independent checker accepted its certificate.",
    "estimate": "Sound bounds say so; no independent checker has seen them.",
    "refuted": "It is false: a point of the box shows the opposite in ONNX Runtime.",
    "unknown": "Neither proved nor refuted.",
    "timeout": "Not decided in the time given.",
    "out-of-memory": "Not decided in the memory given.",
    "unsupported": "This cannot be decided for this network or method.",
    "error": "Something went wrong; nothing is known.",
    "not-run": "It was not tried.",
}
UNITS = {"model": "model's units", "scaled": "units of the data range", "raw": "raw"}


@dataclass(frozen=True)
class ClaimRow:
    """One claim as the reader sees it; `facts` and `details` are pairs of a head and words.

    `empirical`: it rests on samples, whatever its status.
    """

    id: str
    kind: str
    status: str
    statement: str
    how_sure: str
    reason: str
    says: str
    does_not_say: str
    facts: tuple[tuple[str, str], ...]
    checker: tuple[str, ...]
    certificate: str
    check_command: str
    witness: str
    replay_command: str
    moves: tuple[tuple[str, str, str], ...]
    moved: str
    empirical: bool
    details: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class GroupRow:
    """One group of inputs."""

    rank: str
    name: str
    inputs: str
    score: str
    importance: str
    overlap: str


@dataclass(frozen=True)
class ItemRow:
    """One question to one method about one input.

    Args:
        page: path of its page.
        grouped: what the names of groups mean.
        guarantee: of its map; "" where there is none.
        facts: pairs of a head and words.
        groups: the most important ones; `left_out` says how many are not among them.
    """

    number: str
    page: str
    model: str
    input: str
    question: str
    method: str
    outcome: str
    reason: str
    guarantee: str
    seconds: str
    predicted: str
    facts: tuple[tuple[str, str], ...]
    claims: tuple[ClaimRow, ...]
    groups: tuple[GroupRow, ...]
    left_out: int
    notes: tuple[str, ...]
    files: tuple[tuple[str, str, str], ...]
    grouped: str


@dataclass(frozen=True)
class CoverageRow:
    """Of how many inputs a kind of claim holds."""

    about: str
    kind: str
    planned: str
    counts: tuple[tuple[str, str], ...]
    certified: str
    holds: str


@dataclass(frozen=True)
class ReportRow:
    """The whole report."""

    title: str
    verdict: str
    facts: tuple[tuple[str, str], ...]
    outcomes: tuple[tuple[str, str], ...]
    statuses: tuple[tuple[str, str, tuple[str, ...]], ...]
    coverage: tuple[CoverageRow, ...]
    models: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    items: tuple[ItemRow, ...]
    failures: tuple[ItemRow, ...]
    assumptions: tuple[str, ...]
    commands: tuple[str, ...]
    notes: tuple[str, ...]
    environments: tuple[str, ...]
    trace: tuple[tuple[str, str, str, str], ...]
    files: tuple[tuple[str, str, str], ...]


def words(report: Mapping[str, Any]) -> ReportRow:
    """The words for a report."""
    items = tuple(_item(item, report) for item in report["items"])
    found = report["summary"]
    names = [name for name in STATUSES if any(kind[name] for kind in found["claims"].values())]
    reproduction = report["reproduction"]
    return ReportRow(
        title=visible(report["title"]),
        verdict=_verdict(report),
        facts=_facts(report),
        outcomes=tuple((name, f"{n:,}") for name, n in found["outcomes"].items() if n),
        statuses=(
            ("claim", "planned", tuple(names)),
            *(
                (visible(kind), f"{n['planned']:,}", tuple(f"{n[name]:,}" for name in names))
                for kind, n in found["claims"].items()
            ),
        ),
        coverage=tuple(_coverage(row) for row in report["coverage"]),
        models=tuple((visible(model["name"]), _model(model)) for model in report["models"]),
        items=items,
        failures=tuple(item for item in items if item.outcome != "done"),
        assumptions=tuple(visible(line) for line in report["assumptions"]),
        commands=tuple(visible(line) for line in reproduction["commands"]),
        notes=tuple(visible(line) for line in reproduction["notes"]),
        environments=tuple(_values(one) for one in reproduction["environments"]),
        trace=tuple(
            (row["source"], row["clause"], row["about"], row["supported_by"])
            for row in report["trace"]
        ),
        files=tuple(_file(file) for file in report["files"]),
    )


def visible(text: object) -> str:
    """Text in which characters that cannot be seen, or turn others around, stand as codes."""
    return "".join(
        f"⟨U+{ord(c):04X}⟩" if unicodedata.category(c) in ("Cc", "Cf", "Co", "Cs") else c
        for c in str(text)
    )


def percent(share: Mapping[str, float]) -> str:
    """A share and its interval, the interval rounded outward."""
    step = Decimal("0.1")
    low = (Decimal(share["lower"]) * 100).quantize(step, ROUND_FLOOR)
    high = (Decimal(share["upper"]) * 100).quantize(step, ROUND_CEILING)
    return f"{100 * share['share']:.1f} % [{low} %, {high} %]"


def _verdict(report: Mapping[str, Any]) -> str:
    totals = {
        name: sum(kind[name] for kind in report["summary"]["claims"].values()) for name in STATUSES
    }
    planned = sum(totals.values())
    if not planned:
        return "No claims were asked for; the maps alone are shown."
    told = ", ".join(f"{count:,} {name}" for name, count in totals.items() if count)
    return f"{planned:,} claims: {told}."


def _facts(report: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    tool = report["tool"]
    checked = (
        "yes: the independent checker was asked again about every certificate for this report"
        if report["checked"]
        else "no: statuses are shown as they were recorded; `verixplain report --check` asks again"
    )
    found = [
        ("made", report["created"]),
        ("by", f"{tool['name']} {tool['version']}, Python {tool['python']}, {tool['platform']}"),
        ("checked again", checked),
        ("what counts as holding", f"{report['require']} or better"),
    ]
    if report["supersedes"]:
        found.append(("supersedes", f"the report.json with SHA-256 {report['supersedes']}"))
    return tuple(found)


def _model(model: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    parity, units = model["parity"], model["units"]
    compared = parity["reason"] or (
        f"{parity['absolute']:.3g} at {parity['points']} points, {parity['relative']:.3g} relative"
    )
    return (
        ("SHA-256", model["sha256"]),
        ("input and outputs", f"{model['input_shape']}, {model['outputs']} outputs"),
        ("parameters", f"{model['parameters']:,}; opset {model['opset']}"),
        ("left out", model["stripped"] or "nothing"),
        ("largest difference to ONNX Runtime", compared),
        ("units", _values(units)),
    )


def _item(item: Mapping[str, Any], report: Mapping[str, Any]) -> ItemRow:
    values, facts = item["explanation"], item["facts"]
    place = f"{item['data']}#{item['index']}" if item["index"] is not None else item["data"]
    groups = values["groups"] if values else []
    folder = "" if item["folder"] == "." else f"{item['folder']}/"
    return ItemRow(
        number=str(item["number"]),
        page=f"items/{item['number']}.html",
        model=visible(item["model"]),
        input=visible(place),
        question=visible(item["question"]),
        method=visible(item["method"]),
        outcome=item["outcome"],
        reason=visible(item["reason"]),
        guarantee=values["guarantee"] if values else "",
        seconds="" if item["seconds"] is None else f"{item['seconds']:.1f}",
        predicted=_predicted(values, facts),
        facts=_item_facts(item, place),
        claims=tuple(_claim(claim, item, report) for claim in item["claims"]),
        groups=tuple(_group(rank, group) for rank, group in enumerate(groups, start=1)),
        left_out=values["groups_total"] - len(groups) if values else 0,
        notes=tuple(visible(note) for note in (values["notes"] if values else ())),
        files=tuple(
            _file(file)
            for file in report["files"]
            if file["path"].rpartition("/")[0] == folder.rstrip("/")
        ),
        grouped="group (row,column)" if _on_a_plane(values) else "group",
    )


def _on_a_plane(values: Mapping[str, Any] | None) -> bool:
    return values is not None and values["grouping"].partition(":")[0] in ("pixels", "grid")


def _predicted(values: Mapping[str, Any] | None, facts: Mapping[str, Any]) -> str:
    label = values["prediction"]["label"] if values else facts.get("predicted")
    name = values["prediction"]["name"] if values else None
    if label is None:
        return ""
    told = f"class {label}" + (f" ({visible(name)})" if name not in (None, str(label)) else "")
    if facts.get("misclassified"):
        told += f"; its label is {facts['label']}"
    return told


def _item_facts(item: Mapping[str, Any], place: str) -> tuple[tuple[str, str], ...]:
    values = item["explanation"]
    found = [("model", visible(item["model"])), ("input", visible(place))]
    found.append(("question", visible(item["question"])))
    if values is None:
        return tuple(found)
    found[0] = ("model", f"{visible(item['model'])} (SHA-256 {values['model_sha256']})")
    prediction = _predicted(values, item["facts"]) or ", ".join(
        f"{value:.6g}" for value in values["prediction"]["outputs"]
    )
    found += [
        ("prediction", prediction),
        ("explained", _target(values["target"])),
        ("box", box(values["box"])),
        ("method", f"{values['method']}; {_values(values['settings'])}"),
        ("map", f"{values['guarantee']}: {MEANING[values['guarantee']]}"),
    ]
    if values["overlap"]:
        found.append(("overlap in the box", _overlap(values["overlap"], values["target"])))
    if values["order"]:
        order = values["order"]
        told = f"{order['certified']:,} certified, {order['estimate']:,} estimate, "
        told += f"{order['undecided']:,} undecided"
        found.append(("order, as recorded", f"{order['pairs']:,} pairs of groups: {told}"))
    return tuple(found)


def box(values: Mapping[str, Any]) -> str:
    """Which inputs are meant; radii rounded down, since more is not covered."""
    radius = values["radius"]
    told = " = ".join(
        f"{shown(radius[unit], ROUND_FLOOR)} ({name})" for unit, name in UNITS.items()
    )
    low, high = values["lower"]["smallest"], values["upper"]["largest"]
    return (
        f"all that differ from this input by at most {told} in each of {values['free_inputs']:,} "
        f"numbers, and lie between {low!r} and {high!r} (model's units); box_lower and box_upper "
        "in explanation.npz are the exact ends"
    )


def _overlap(ends: Mapping[str, float], target: Mapping[str, Any]) -> str:
    """The largest overlap, and what its sign says."""
    wanted = _target(target)
    told = f"whether {wanted} everywhere in the box is unknown"
    if ends["upper"] < 0:
        told = f"below 0, so {wanted} everywhere in the box"
    elif ends["lower"] >= 0:
        told = f"not below 0, so at some input of the box it is not so that {wanted}"
    return f"in {interval(ends['lower'], ends['upper'])}: {told}"


def _target(target: Mapping[str, Any]) -> str:
    if target["kind"] == "rows":
        return f"all {len(target['coefficients'])} rows stay below zero"
    against = "every other class" if target["kind"] == "label" else f"class {target['other']}"
    way = " (the smallest score wins)" if target["smallest_wins"] else ""
    return f"class {target['label']} stays ahead of {against}{way}"


def _group(rank: int, group: Mapping[str, Any]) -> GroupRow:
    ends = [
        interval(group[key]["lower"], group[key]["upper"]) if group[key] else ""
        for key in ("importance", "overlap")
    ]
    score = shown(group["score"])
    return GroupRow(str(rank), visible(group["name"]), str(group["size"]), score, *ends)


def _claim(
    claim: Mapping[str, Any], item: Mapping[str, Any], report: Mapping[str, Any]
) -> ClaimRow:
    values, answer = item["explanation"], claim["check"]
    kind = report["kinds"].get(claim["kind"], {"says": "", "does_not_say": ""})
    model = f"{item['model']}.onnx"
    folder = "evidence" if item["folder"] == "." else f"evidence/{item['folder']}"
    facts = []
    if values:
        facts.append(("for which inputs", box(values["box"])))
    facts.append(("by which arithmetic", ARITHMETIC.get(claim["semantics"], claim["semantics"])))
    facts += [(name.replace("_", " "), _values(value)) for name, value in _asked(claim)]
    certificate = claim["certificate"] and f"{folder}/{claim['certificate']}"
    witness = claim["witness"] and f"{folder}/{claim['witness']}"
    return ClaimRow(
        id=visible(claim["id"]),
        kind=visible(claim["kind"]),
        status=claim["status"],
        statement=visible(claim["statement"] or claim["kind"]),
        how_sure=_how_sure(claim, report),
        reason=visible(claim["reason"]),
        says=visible(kind["says"]),
        does_not_say=visible(kind["does_not_say"]),
        facts=tuple(facts),
        checker=tuple(_checker(answer)) if answer else (),
        certificate=visible(certificate or ""),
        check_command=visible(
            shlex.join(["python", "-m", "verixplain.checker", model, certificate])
            if certificate
            else ""
        ),
        witness=visible(witness or ""),
        replay_command=visible(
            shlex.join(["verixplain", "replay", model, witness]) if witness else ""
        ),
        moves=tuple(
            (visible(move["input"]), f"{move['from']:.9g}", f"{move['to']:.9g}")
            for move in (claim["moved"] or {}).get("moves", ())
        ),
        empirical=(claim["details"] or {}).get("guarantee") == "empirical",
        moved=f"{claim['moved']['inputs']:,} inputs differ" if claim["moved"] else "",
        details=tuple(
            (visible(name.replace("_", " ")), _values(value))
            for name, value in (claim["details"] or {}).items()
        ),
    )


def _how_sure(claim: Mapping[str, Any], report: Mapping[str, Any]) -> str:
    told = HOW_SURE[claim["status"]]
    if claim["status"] == "certified" and not report["checked"]:
        told = "The independent checker accepted it when it was issued; not asked again since then."
    if claim["certificate"] is not None and claim["status"] in ("estimate", "unknown", "timeout"):
        told += " Its certificate proves a part of it: the checker's words say which."
    if claim["recorded"] != claim["status"]:
        told += f" (recorded as {claim['recorded']})"
    return told


def _asked(claim: Mapping[str, Any]) -> Sequence[tuple[str, Any]]:
    """Numbers of a claim, exact: nobody here knows to which side they may be rounded."""
    found = list(claim["parameters"].items())
    if claim["bound"] is not None:
        found.append(("number it rests on (exact)", claim["bound"]))
    if claim["spent"] is not None:
        spent = f"{claim['spent']['seconds']:.1f} s, {claim['spent']['nodes']} nodes"
        of = f" of {claim['budget']}" if claim["budget"] else ""
        found.append(("spent", f"{spent}{of}; stopped by: {claim['stopped_by']}"))
    return found


def _checker(answer: Mapping[str, Any]) -> list[str]:
    """What the checker said, in its own words."""
    found = [f"{answer['verdict']} ({answer.get('detail') or answer.get('certificate_sha256')})"]
    for semantics, lines in answer.get("conclusions", {}).items():
        found += [f"{semantics}: {line}" for line in lines]
    return [visible(line) for line in found]


def _coverage(row: Mapping[str, Any]) -> CoverageRow:
    return CoverageRow(
        about=visible(f"{row['model']}, {row['question']}, {row['method']}"),
        kind=visible(row["kind"]),
        planned=f"{row['planned']:,}",
        counts=tuple((name, f"{n:,}") for name, n in row["statuses"].items() if n),
        certified=percent(row["certified"]),
        holds=percent(row["holds"]),
    )


def _file(file: Mapping[str, Any]) -> tuple[str, str, str]:
    return visible(f"evidence/{file['path']}"), f"{file['bytes']:,}", file["sha256"]


def _values(value: Any) -> str:
    """Any plain value in words."""
    if isinstance(value, Mapping):
        return visible(", ".join(f"{key} {_values(inner)}" for key, inner in value.items()))
    if isinstance(value, (list, tuple)):
        return visible(", ".join(_values(inner) for inner in value)) or "none"
    return "none" if value is None else visible(value)
