"""An explanation as a table of text in a page, for notebooks; every value is escaped."""

from dataclasses import astuple
from html import escape

from verixplain.explanation import Explanation
from verixplain.report.view import View, view

_CELL = "text-align:left;padding:.15em .8em .15em 0;vertical-align:top"


def explanation_table(explanation: Explanation, rows: int = 10) -> str:
    """The headline and the groups that count most."""
    return render(view(explanation, rows))


def render(found: View) -> str:
    """The page's table of a view."""
    facts = "".join(_line(fact, "th", "td") for fact in found.facts)
    head = _line(astuple(found.headings), "th", "th")
    body = "".join(_line(astuple(row), "td", "td") for row in found.rows)
    rest = f"<p>{found.left_out} more groups</p>" if found.left_out else ""
    return (
        f"<div><p><strong>{escape(found.title)}</strong></p>"
        f"<table><tbody>{facts}</tbody></table>"
        f"<table><thead>{head}</thead><tbody>{body}</tbody></table>{rest}</div>"
    )


def _line(cells: tuple[str, ...], first: str, other: str) -> str:
    """One table row; its first cell may be a heading."""
    tags = [first, *[other] * (len(cells) - 1)]
    laid = "".join(
        f'<{tag} style="{_CELL}">{escape(cell)}</{tag}>'
        for tag, cell in zip(tags, cells, strict=True)
    )
    return f"<tr>{laid}</tr>"
