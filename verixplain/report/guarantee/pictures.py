"""Which pictures a report has; they are drawn in `report/figures/`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from verixplain.errors import VerixplainError
from verixplain.features import Plane, plane
from verixplain.report.figures import guarantee, methods
from verixplain.report.guarantee.evidence import numbers_of, witness_of

Pictures = dict[str, Any]
"""Title -> figure."""

MOST_METHODS = 20


def of_report(report: Mapping[str, Any]) -> Pictures:
    """Verdict counts, and where there are several radii, radius against share."""
    found: Pictures = {}
    if report["summary"]["claims"]:
        found["counts"] = guarantee.counts(report["summary"]["claims"])
    series: dict[str, list] = {}
    for row in report["coverage"]:
        if row["radius"] is not None:
            name = f"{row['model']}, {row['method']}: {row['kind']}"
            series.setdefault(name, []).append((row["radius"], row["holds"]))
    series = {name: points for name, points in series.items() if len(points) > 1}
    if series:
        found["shares"] = guarantee.shares(series)
    return found


def of_item(item: Mapping[str, Any], report: Mapping[str, Any], evidence: Path) -> Pictures:
    """The order as intervals, the witnesses, and all methods about the same input."""
    values = item["explanation"]
    if values is None:
        return {}
    found: Pictures = {}
    verified = values["overlap"] is not None
    unit = "importance, logits" if verified else "score"
    found["order"] = guarantee.intervals(values["groups"], unit, values["guarantee"])
    model = next(m for m in report["models"] if m["sha256"] == values["model_sha256"])
    image = _image(model)
    for claim in item["claims"]:
        point = witness_of(claim, evidence / item["folder"])
        if point is not None and image is not None:
            given, moved = point
            titles = {"input": given, f"witness ({claim['kind']})": moved}
            found[f"witness-{claim['id']}"] = guarantee.points(titles, _card(model), image)
    found.update(_methods(item, report, evidence, image))
    return found


def _methods(
    item: Mapping[str, Any], report: Mapping[str, Any], evidence: Path, image: Plane | None
) -> Pictures:
    """One sheet of every method that answered the same question about the same input."""
    about = ("model", "data", "index", "question")
    same = [
        other
        for other in report["items"]
        if other["explanation"] and all(other[key] == item[key] for key in about)
    ][:MOST_METHODS]
    if len(same) < 2:
        return {}
    maps = {}
    for other in same:
        path = evidence / other["folder"] / "explanation.npz"
        maps[other["method"]] = numbers_of(path, "scores")["scores"]
    groups = sorted(item["explanation"]["groups"], key=lambda group: group["id"])
    names = [group["name"] for group in groups if group["size"] == 1]
    return {"methods": methods.sheet(maps, image, names)}


def _image(model: Mapping[str, Any]) -> Plane | None:
    if model["units"]["layout"] == "vec":
        return None
    try:
        return plane(model["input_shape"], model["units"]["layout"])
    except VerixplainError:
        return None


def _card(model: Mapping[str, Any]) -> Any:
    from verixplain.network.card import Card

    return Card().with_settings(**model["units"])
