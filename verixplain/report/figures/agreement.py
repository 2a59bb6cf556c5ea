"""How alike methods rank the groups."""

import numpy as np
from matplotlib.figure import Figure
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from verixplain.metrics._agreement import Agreement
from verixplain.report.figures.canvas import NOTHING, canvas, short

MOST_NUMBERED = 16
"""Methods up to which every square has its number."""


def agreement_squares(found: Agreement) -> Figure:
    """A square for every two methods, methods that rank alike side by side."""
    order = _alike(found.mean)
    names = [short(found.methods[number]) for number in order]
    values = found.mean[np.ix_(order, order)]
    side = 0.42 * len(names) + 1.6
    figure = canvas(side + 2.6, side + 0.6)
    axis = figure.subplots()
    axis.set_facecolor(NOTHING)
    shown = axis.imshow(np.ma.masked_invalid(values), cmap="PuOr", vmin=-1, vmax=1)
    axis.set_xticks(range(len(names)), names, rotation=45, ha="right", fontsize=8)
    axis.set_yticks(range(len(names)), names, fontsize=8)
    if len(names) <= MOST_NUMBERED:
        for (row, column), value in np.ndenumerate(values):
            if np.isfinite(value):
                colour = "white" if abs(value) > 0.6 else "black"
                axis.text(
                    column, row, f"{value:.2f}", ha="center", va="center", fontsize=7, color=colour
                )
    count = int(found.count.max())
    words = f"mean over {count} inputs" if count > 1 else "one input"
    axis.set_title(f"Do the methods rank the groups alike? ({words})", fontsize=11)
    label = "rank correlation" + (", grey: no map to compare" if np.isnan(values).any() else "")
    figure.colorbar(shown, ax=axis, fraction=0.046, pad=0.03).set_label(label)
    return figure


def _alike(mean: np.ndarray) -> np.ndarray:
    """An order of the methods in which neighbours agree (average linkage)."""
    distance = 1 - np.nan_to_num(mean)
    np.fill_diagonal(distance, 0)
    return leaves_list(linkage(squareform(distance, checks=False), "average"))
