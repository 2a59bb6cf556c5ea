"""An explanation in words and rounded numbers, before it is a terminal's or a page's table."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

import numpy as np

from verixplain.explanation import Explanation, Order, Overlaps, TopK
from verixplain.features import Groups
from verixplain.query import Target
from verixplain.report.units import radii
from verixplain.request import predicted_label

DIGITS = 4

MEANING = {
    "certified": "the independent checker accepted every bound below",
    "estimate": "sound bounds with their rounding allowance; no independent checker has seen them",
    "empirical": "sampled numbers; nothing is proved",
    "none": "no claim is made about these numbers",
}


@dataclass(frozen=True)
class Row:
    """One group as the reader sees it."""

    rank: str
    group: str
    inputs: str
    score: str
    importance: str
    overlap: str


@dataclass(frozen=True)
class View:
    """One explanation as the reader sees it.

    Args:
        title: what was explained.
        facts: pairs of a heading and a sentence.
        headings: of the rows.
        rows: the groups that count most, best first.
        left_out: how many groups are not among the rows.
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    headings: Row
    rows: tuple[Row, ...]
    left_out: int


def view(explanation: Explanation, rows: int = 10) -> View:
    """The words for an explanation, with at most `rows` groups."""
    query = explanation.query
    title = (
        f"{explanation.method}: which {groups_in_words(query.groups)} "
        f"keep {target_in_words(explanation)}?"
    )
    facts = [
        ("model", model_in_words(explanation)),
        ("prediction", prediction_in_words(explanation)),
        ("box", box_in_words(explanation)),
        ("guarantee", f"{explanation.guarantee}: {MEANING[explanation.guarantee]}"),
    ]
    if explanation.overlaps is not None:
        words = overlap_in_words(explanation.overlaps, query.target, explanation.guarantee)
        facts.append(("in the box", words))
    if explanation.order is not None:
        facts.append(("order", order_in_words(explanation.order)))
    if explanation.top_k is not None:
        facts.append(
            (f"top {explanation.top_k.k}", top_k_in_words(explanation.top_k, query.groups))
        )
    how = [explanation.bound and f"bound {explanation.bound}", explanation.engine]
    seconds = explanation.timing.get("total")
    how.append(f"{seconds:.2f} s" if seconds is not None else "")
    facts.append(("computed", ", ".join(part for part in how if part) or "-"))
    facts.extend(("note", note) for note in explanation.notes)
    ranked = ranking(explanation)[:rows]
    return View(
        title,
        tuple(facts),
        _headings(explanation),
        tuple(_row(explanation, rank, int(number)) for rank, number in enumerate(ranked, start=1)),
        len(query.groups) - len(ranked),
    )


def _headings(explanation: Explanation) -> Row:
    places = explanation.query.groups.kind.partition(":")[0] in ("pixels", "grid")
    group = "row,column" if places else "group"
    if explanation.overlaps is None:
        return Row("rank", group, "inputs", "score", "", "")
    return Row("rank", group, "inputs", "score", "true importance", "overlap with it frozen")


def ranking(explanation: Explanation) -> np.ndarray:
    """Group numbers, the largest score first; equal scores in the order of the groups."""
    return np.argsort(-np.asarray(explanation.group_scores), kind="stable")


def _row(explanation: Explanation, rank: int, number: int) -> Row:
    groups, overlaps = explanation.query.groups, explanation.overlaps
    importance = overlap = ""
    if overlaps is not None:
        importance = interval(explanation.group_lower[number], explanation.group_upper[number])  # type: ignore[index]
        overlap = interval(overlaps.group_lower[number], overlaps.group_upper[number])
    return Row(
        str(rank),
        groups.names[number],
        str(len(groups.members[number])),
        shown(float(explanation.group_scores[number])),
        importance,
        overlap,
    )


def model_in_words(explanation: Explanation) -> str:
    """Name, hash, and what was left out of the model."""
    network = explanation.query.network
    words = f"{network.name} (sha256 {network.sha256[:12]}, opset {network.opset})"
    return words + (f", without its last {network.stripped}" if network.stripped else "")


def class_in_words(explanation: Explanation, label: int) -> str:
    """`class 3`, with its name where the card has one that is not the number itself."""
    names = explanation.query.network.card.labels
    name = names[label] if 0 <= label < len(names) else str(label)
    return f"class {label}" + (f" ({name})" if name != str(label) else "")


def target_in_words(explanation: Explanation) -> str:
    """What is explained."""
    target = explanation.query.target
    if target.kind == "rows":
        return f"all {len(target.coefficients)} rows below zero"
    label = class_in_words(explanation, int(target.label_index or 0))
    if target.kind == "pair":
        return f"{label} ahead of {class_in_words(explanation, int(target.other_index or 0))} alone"
    return f"{label} ahead of every other class"


def groups_in_words(groups: Groups) -> str:
    """How many groups of which kind."""
    kind, _, size = groups.kind.partition(":")
    noun = {"grid": "patches", "labels": "groups", "custom": "groups"}.get(kind, kind)
    return f"of {len(groups)} {noun}" + (f" ({size})" if kind == "grid" else "")


def prediction_in_words(explanation: Explanation) -> str:
    """The network's answer at the input, and how clear it is."""
    outputs, network = explanation.prediction.astype(np.float64), explanation.query.network
    label = predicted_label(outputs, network.card.kind)
    if label is None:
        return ", ".join(shown(float(value)) for value in outputs)
    gap = np.abs(np.delete(outputs, label) - outputs[label]).min()
    return f"{class_in_words(explanation, label)}, ahead by {shown(float(gap))} (logits)"


def box_in_words(explanation: Explanation) -> str:
    """How far inputs may move."""
    card = explanation.query.network.card
    found = radii(explanation.query.box, card)
    words = f"radius {found['model']:.6g} (epsilon) in the model's units"
    others = []
    if any(std != 1.0 for std in card.std):
        others.append(f"{found['scaled']:.6g} in units of the data range")
    if card.scale != 1.0:
        others.append(f"{found['raw']:.6g} raw" + (f" ({card.units})" if card.units else ""))
    return " = ".join([words, *others])


def overlap_in_words(overlaps: Overlaps, target: Target, guarantee: str) -> str:
    """What the enclosure of AO(B) says about the target."""
    found = f"largest overlap in {interval(overlaps.lower, overlaps.upper)}: "
    if overlaps.upper < 0:
        return found + f"{target.in_words()} everywhere ({guarantee})"
    if overlaps.lower >= 0:
        return found + f"at some input it is not so that {target.in_words()} (a witness is kept)"
    return found + f"whether {target.in_words()} everywhere is unknown"


def order_in_words(order: Order) -> str:
    """How many pairs of groups are decided."""
    counts = order.to_dict()
    return (
        f"{order.decided:,} of {counts['pairs']:,} pairs decided ({order.status}), "
        f"{counts['undecided']:,} undecided"
    )


def top_k_in_words(top_k: TopK, groups: Groups) -> str:
    """Whether the best groups are certainly the best."""
    names = "; ".join(groups.names[member] for member in top_k.members)
    return f"{top_k.status}" + (f": {names}" if names else "")


def threshold(explanation: Explanation, members: Sequence[int]) -> float | None:
    """The overlap that every other group reaches and no member does.

    None where bounds of single groups show no such number; the order may be decided otherwise.
    """
    overlaps = explanation.overlaps
    rest = np.setdiff1d(np.arange(len(explanation.query.groups)), members)
    if overlaps is None or not len(rest) or not len(members):
        return None
    border = float(overlaps.group_lower[rest].min())
    return border if overlaps.group_upper[list(members)].max() < border else None


def shown(value: float, rounding: str = ROUND_HALF_EVEN) -> str:
    """A number with a few digits, rounded as told."""
    if value == 0 or not np.isfinite(value):
        return f"{value:g}"
    exact = Decimal(value)
    step = Decimal(1).scaleb(exact.adjusted() - DIGITS + 1)
    rounded = exact.quantize(step, rounding=rounding)
    return f"{rounded:f}" if 1e-4 <= abs(rounded) < 1e6 else f"{rounded:e}"


def interval(lower: float, upper: float) -> str:
    """`[lower, upper]`, rounded outward."""
    return f"[{shown(float(lower), ROUND_FLOOR)}, {shown(float(upper), ROUND_CEILING)}]"
