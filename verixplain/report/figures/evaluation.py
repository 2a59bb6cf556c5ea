"""What metrics say of methods."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from verixplain.report.figures.canvas import DARK, canvas, short

ABREAST = 4
_BEST = "#d55e00"
_ARROWS = {"higher": "→ better", "lower": "better ←"}


def evaluation_panels(lines: Sequence[Mapping[str, Any]]) -> Figure:
    """A panel a metric, a line a method: the number, its standard error, and what bounds show.

    Args:
        lines: of an evaluation's table, at least one with a number.
    """
    known = [one for one in lines if one["mean"] is not None]
    metrics = list(dict.fromkeys(one["metric"] for one in known))
    methods = list(dict.fromkeys(one["method"] for one in known))
    columns = min(len(metrics), ABREAST)
    rows = math.ceil(len(metrics) / columns)
    figure = canvas(2.7 * columns + 1.9, rows * (0.24 * len(methods) + 1.0) + 0.5)
    axes = np.atleast_2d(figure.subplots(rows, columns, sharey=True, squeeze=False))
    for axis in axes.ravel()[len(metrics) :]:
        axis.axis("off")
    for axis, metric in zip(axes.ravel(), metrics, strict=False):
        _panel(axis, [one for one in known if one["metric"] == metric], methods)
    for axis in axes[:, 0]:
        axis.set_yticks(range(len(methods)), [short(name) for name in methods], fontsize=8)
        axis.set_ylim(len(methods) - 0.5, -0.5)
    bounded = any(one["lower_mean"] is not None for one in known)
    words = "dot: number and standard error; orange: the best"
    words += "; bar: at least this by bounds (an estimate)" if bounded else ""
    figure.supxlabel(words, fontsize=8, color="0.35")
    return figure


def _panel(axis: Axes, lines: Sequence[Mapping[str, Any]], methods: Sequence[str]) -> None:
    best = max if lines[0]["direction"] == "higher" else min
    first = best(one["mean"] for one in lines)
    for one in lines:
        place, colour = methods.index(one["method"]), _BEST if one["mean"] == first else DARK
        axis.errorbar(
            one["mean"], place, xerr=one["standard_error"] or 0.0, fmt="o", color=colour,
            markersize=5, capsize=2, lw=1.2,
        )  # fmt: skip
        if one["lower_mean"] is not None:
            axis.plot(one["lower_mean"], place, "|", color=colour, markersize=9)
    axis.set_title(f"{short(lines[0]['metric'])}  ({_ARROWS[lines[0]['direction']]})", fontsize=9)
    axis.tick_params(axis="x", labelsize=8)
    axis.grid(alpha=0.3)
