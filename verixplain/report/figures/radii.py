"""A map against the radius."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from verixplain.report.figures.canvas import canvas

if TYPE_CHECKING:
    from verixplain.certify.sweep import Radius


def radii_figure(found: Sequence["Radius"], words: str) -> Figure:
    """What a map says against the radius: ordered pairs, and width and spread of enclosures.

    Args:
        found: a radius each.
        words: under the picture.
    """
    figure = canvas(10.5, 4.2)
    left, right = figure.subplots(1, 2)
    radii = [one.radius for one in found]
    shares_ = [one.decided / one.pairs if one.pairs else 0.0 for one in found]
    left.plot(radii, shares_, "-", color="0.6", linewidth=1)
    for status, mark, colour, label in (
        ("estimate", "o", "#00204d", "decision proved to stand (estimate)"),
        ("unknown", "s", "#8a8d91", "decision undecided"),
        ("refuted", "X", "#d55e00", "decision changes in the box"),
    ):
        some = [k for k, one in enumerate(found) if one.prediction == status]
        if some:
            left.plot(
                [radii[k] for k in some], [shares_[k] for k in some], mark, color=colour,
                label=label,
            )  # fmt: skip
    left.set(ylabel="share of pairs of groups that are ordered", ylim=(-0.02, 1.02))
    left.legend(fontsize=8)
    right.plot(radii, [one.spread for one in found], "o-", color="#00204d", label="spread")
    right.plot(radii, [one.width for one in found], "s--", color="#d55e00", label="mean width")
    right.set(ylabel="logits", yscale="log")
    right.set_title("widths below the spread tell groups apart", fontsize=9)
    right.legend(fontsize=8)
    for axis in (left, right):
        axis.set(xlabel="radius", xscale="log")
        axis.xaxis.set_major_formatter("{x:g}")
        axis.grid(alpha=0.3)
    right.yaxis.set_major_formatter("{x:g}")
    figure.supxlabel(words, fontsize=8, wrap=True)
    return figure
