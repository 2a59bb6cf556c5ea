"""Pages of a report: frozen rows in templates, every value escaped, nothing from outside."""

import base64
import hashlib
from collections.abc import Mapping
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from verixplain.report.guarantee.words import HOW_SURE, ItemRow, ReportRow
from verixplain.report.status import COLOURS, EMPIRICAL

ALTERNATIVES = {
    "heatmap": "The input, the score of every group, and the width of the interval that the true "
    "importance lies in",
    "enclosure": "Lower and upper end of the interval that the importance of every group lies in",
    "order": "Which pairs of groups are in a decided order",
}
"""What a picture shows, for those who cannot see it."""


def index_page(report: ReportRow, confidence: float, pictures: Mapping[str, str]) -> str:
    """The page with everything in it.

    Args:
        report: in words.
        confidence: of the intervals of its coverage.
        pictures: title -> SVG that this package drew.
    """
    statuses = {s for item in report.items for s in [item.outcome, *_statuses(item)]}
    return (
        _environment()
        .get_template("index.html")
        .render(
            report=report,
            confidence=f"{confidence:.0%}",
            pictures=_drawn(pictures),
            statuses=sorted(statuses),
            models=sorted({item.model for item in report.items}),
            how_sure={status: HOW_SURE[status] for status in HOW_SURE if status in statuses},
        )
    )


def item_page(
    report: ReportRow, place: int, pictures: Mapping[str, str], images: Mapping[str, bytes]
) -> str:
    """The page of one item.

    Args:
        report: in words.
        place: of the item in `report.items`.
        pictures: title -> SVG that this package drew.
        images: title -> PNG that came with the explanation.
    """
    items = report.items
    return (
        _environment()
        .get_template("item.html")
        .render(
            title=report.title,
            item=items[place],
            before=f"{items[place - 1].number}.html" if place else "",
            after=f"{items[place + 1].number}.html" if place + 1 < len(items) else "",
            pictures=_drawn(pictures),
            images={name: base64.b64encode(image).decode() for name, image in images.items()},
        )
    )


def _statuses(item: ItemRow) -> list[str]:
    return [claim.status for claim in item.claims]


def _drawn(pictures: Mapping[str, str]) -> dict[str, Markup]:
    """SVG of our own, in which matplotlib has escaped every text."""
    return {name: Markup(svg) for name, svg in pictures.items()}


@cache
def _environment() -> Environment:
    """Templates; a page runs the one script whose hash it states, and loads nothing."""
    environment = Environment(
        loader=PackageLoader("verixplain.report.guarantee"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = environment.get_template("list.js").render()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    environment.globals["script_hash"] = Markup(f"'sha256-{digest}'")
    environment.globals["alternatives"] = ALTERNATIVES
    environment.globals["colours"] = COLOURS
    environment.globals["empirical"] = EMPIRICAL
    return environment
