"""Figures without pyplot, and what they become as files."""

from io import BytesIO
from typing import Any

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

MOST_BARS = 30
RESOLUTION = 150
NOTHING = "0.75"
DARK = "#3b496c"


class _Plain(Figure):
    """A figure whose texts are what they say: a dollar sign in a name starts no formula."""

    def draw(self, renderer: Any) -> None:
        for text in self.findobj(Text):
            text.set_parse_math(False)
        super().draw(renderer)


def canvas(width: float, height: float) -> Figure:
    """An empty figure of this size in inches."""
    figure = _Plain(figsize=(width, height), dpi=RESOLUTION, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def short(name: str, most: int = 32) -> str:
    """A name that fits beside a picture; control characters and the like stand as codes."""
    shown = "".join(c if c.isprintable() else f"<{ord(c):04X}>" for c in name[: most + 1])
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def as_svg(figure: Figure) -> str:
    """The picture as an element for a page; equal pictures have equal text."""
    file = BytesIO()
    with rc_context({"svg.hashsalt": "verixplain"}):
        figure.savefig(file, format="svg", metadata={"Date": None})
    text = file.getvalue().decode()
    return text[text.index("<svg") :]


def as_png(figure: Figure) -> bytes:
    """The picture as a file."""
    file = BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()
