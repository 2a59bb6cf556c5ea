"""Which groups provably count more than which."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from verixplain.errors import SettingError
from verixplain.explanation import Explanation
from verixplain.report.figures.canvas import DARK, NOTHING, canvas
from verixplain.report.figures.words import column_names, head
from verixplain.report.view import threshold

MOST_ORDERED = 64


def certified_order(explanation: Explanation) -> Figure:
    """Which groups provably count more than which: enclosures, and every pair.

    On the left where the overlap lies with each group frozen, smallest upper end first: the
    further left, the more the group counts. On the right the pairs; the row counts more than the
    column where the square is dark, less where it is light, and hatched squares are undecided.
    """
    overlaps, order = explanation.overlaps, explanation.order
    if overlaps is None or order is None:
        raise SettingError(f"{explanation.method} orders nothing, so there is no picture of it")
    ranked = np.argsort(overlaps.group_upper, kind="stable")[:MOST_ORDERED]
    names, places = column_names(explanation), np.arange(len(ranked))
    figure = canvas(12.5, 0.17 * len(ranked) + 2.8)
    left, right = figure.subplots(1, 2, width_ratios=(1.25, 1), sharey=True)
    above = order.above
    whole = (above | above.T).sum(axis=1)[ranked] == len(above) - 1
    lower, upper = overlaps.group_lower[ranked], overlaps.group_upper[ranked]
    thin = np.full(len(ranked), 0.003 * max(float(upper.max() - lower.min()), 1e-9))
    for chosen, hatch, label in (
        (whole, "", "ordered against every other group"),
        (~whole, "//////", "some pair undecided"),
    ):
        if chosen.any():
            left.barh(
                places[chosen], np.maximum(upper - lower, thin)[chosen], left=lower[chosen],
                height=0.72, hatch=hatch, facecolor=DARK if not hatch else "white",
                edgecolor=DARK, linewidth=0.6, label=label,
            )  # fmt: skip
    top = explanation.top_k
    border = None if top is None else threshold(explanation, top.members)
    if top is not None and border is not None:
        left.axvline(border, color="#d55e00", linewidth=1.2, label=f"border of the top {top.k}")
    left.set_yticks(places, [names[number] for number in ranked], fontsize=7)
    room = 0.03 * float(upper.max() - lower.min()) + float(thin[0])
    left.set(ylim=(len(ranked) - 0.4, -0.6), xlim=(lower.min() - room, upper.max() + room))
    hidden = len(explanation.query.groups) - len(ranked)
    left.set_xlabel(
        "overlap with the group frozen (logits): smaller counts more"
        + (f" ({hidden} more groups not shown)" if hidden else "")
    )
    left.legend(loc="lower left", fontsize=7)
    _show_pairs(right, above[np.ix_(ranked, ranked)])
    head(figure, explanation)
    return figure


def _show_pairs(axis: Axes, above: np.ndarray) -> None:
    """A square for every pair; the row is one group, the column another."""
    count = len(above)
    picture = np.where(above, 0.15, np.where(above.T, 0.85, np.nan))
    undecided = ~(above | above.T)
    np.fill_diagonal(undecided, False)
    axis.imshow(
        np.ma.masked_invalid(picture), cmap="cividis", norm=Normalize(0, 1), aspect="auto",
        interpolation="nearest",
    )  # fmt: skip
    squares = [Rectangle((c - 0.5, r - 0.5), 1, 1) for r, c in np.argwhere(undecided)]
    axis.add_collection(
        PatchCollection(
            squares, hatch="//////", facecolor="white", edgecolor=NOTHING, linewidth=0.0
        )
    )
    axis.set(xticks=[], xlim=(-0.5, count - 0.5))
    axis.set_title(
        "dark: the row counts more; light: the column does; hatched: undecided", fontsize=8
    )
