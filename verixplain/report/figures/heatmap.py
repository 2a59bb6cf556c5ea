"""The map of an explanation, and both ends of its enclosure."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize, TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from verixplain.errors import SettingError
from verixplain.explanation import Explanation
from verixplain.features import Plane
from verixplain.report.figures.canvas import MOST_BARS, canvas
from verixplain.report.figures.images import (
    outlines,
    pixels,
    plane_of,
    show_colours,
    show_input,
    top,
)
from verixplain.report.figures.words import column_names, head
from verixplain.report.view import ranking


def heatmap(explanation: Explanation) -> Figure:
    """Input, scores and enclosure width side by side; bars with intervals for tables."""
    image = explanation.query.groups.plane or plane_of(explanation)
    return _bars(explanation) if image is None else _maps(explanation, image)


def enclosure(explanation: Explanation) -> Figure:
    """Both ends of every group's true importance, in the input's shape; bars for tables."""
    if explanation.lower is None or explanation.upper is None:
        raise SettingError(f"{explanation.method} encloses nothing, so there is no picture of it")
    image = explanation.query.groups.plane or plane_of(explanation)
    if image is None:
        return _bars(explanation)
    height = min(max(4.0 * image.rows / image.columns, 2.2), 7.0)
    figure = canvas(9.6, height + 1.2)
    ends = [pixels(end, image) for end in (explanation.lower, explanation.upper)]
    norm = Normalize(0, top(ends[1]))
    lines = outlines(explanation, image)
    words = ("at least", "at most")
    for axis, end, word in zip(figure.subplots(1, 2), ends, words, strict=True):
        show_colours(axis, end, "cividis", norm, "logits")
        axis.set_title(f"every group counts {word}")
        axis.set(xticks=[], yticks=[])
        axis.add_collection(LineCollection(lines, colors="white", linewidths=0.8))
    head(figure, explanation)
    return figure


def _maps(explanation: Explanation, image: Plane) -> Figure:
    panels = 2 if explanation.overlaps is None else 3
    height = min(max(4.0 * image.rows / image.columns, 2.2), 7.0)
    figure = canvas(4.6 * panels, height + 1.2)
    axes = figure.subplots(1, panels)
    scores = pixels(explanation.scores, image)
    lines = outlines(explanation, image)
    show_input(axes[0], explanation, image)
    _show_scores(axes[1], scores, explanation)
    if explanation.overlaps is not None:
        width = pixels(explanation.upper - explanation.lower, image)  # type: ignore[operator]
        axes[2].set_title("width of the enclosure")
        norm = Normalize(0, top(width))
        show_colours(axes[2], width, "viridis", norm, "upper - lower end (logits)")
    for k, axis in enumerate(axes):
        axis.set(xticks=[], yticks=[])
        if lines:
            colour = "white" if k else "#e69f00"
            axis.add_collection(LineCollection(lines, colors=colour, linewidths=0.8))
    _number_the_best(axes[1], explanation, image)
    head(figure, explanation)
    return figure


def _show_scores(axis: Axes, scores: np.ndarray, explanation: Explanation) -> None:
    axis.set_title(f"scores ({explanation.method})")
    low, high = float(np.nanmin(scores)), float(np.nanmax(scores))
    unit = "score (logits)" if explanation.overlaps is not None else "score"
    if low < -0.05 * max(high, 0.0) and low < 0:
        reach = max(abs(low), abs(high))
        show_colours(axis, scores, "PuOr", TwoSlopeNorm(0, -reach, reach), unit)
    else:
        show_colours(axis, scores, "cividis", Normalize(min(low, 0.0), top(scores)), unit)


def _number_the_best(axis: Axes, explanation: Explanation, image: Plane) -> None:
    """Write 1, 2, 3 on the three groups of the largest scores."""
    place = np.full(int(np.prod(explanation.query.network.input_shape)), -1)
    place[image.pixels] = np.arange(len(image.pixels))[:, None]
    for rank, number in enumerate(ranking(explanation)[:3], start=1):
        members = place[explanation.query.groups.members[number]]
        if not len(members):
            continue
        rows, columns = np.divmod(members, image.columns)
        middle = np.array([columns.mean(), rows.mean()])
        distance = (columns - middle[0]) ** 2 + (rows - middle[1]) ** 2
        if distance.min() > 0.5:  # the middle of a ring or an L is not in it
            middle = np.array([columns[distance.argmin()], rows[distance.argmin()]])
        axis.annotate(
            str(rank),
            (middle[0], middle[1]),
            color="white",
            ha="center",
            va="center",
            fontsize=11,
            fontweight="bold",
            path_effects=[withStroke(linewidth=2.5, foreground="black")],
        )


def _bars(explanation: Explanation) -> Figure:
    groups, ranked = explanation.query.groups, ranking(explanation)[:MOST_BARS]
    figure = canvas(9.0, 0.32 * len(ranked) + 2.4)
    axis = figure.subplots()
    places = np.arange(len(ranked))
    axis.barh(places, explanation.group_scores[ranked], color="#8a8d91", label="score")
    if explanation.group_lower is not None and explanation.group_upper is not None:
        lower, upper = explanation.group_lower[ranked], explanation.group_upper[ranked]
        middle = (lower + upper) / 2
        axis.errorbar(
            middle,
            places,
            xerr=[middle - lower, upper - middle],
            fmt="none",
            ecolor="#00204d",
            capsize=3,
            label="true importance lies in here",
        )
    names = column_names(explanation)
    axis.set_yticks(places, [names[number] for number in ranked])
    axis.set_ylim(len(ranked) - 0.4, -0.6)
    left_out = len(groups) - len(ranked)
    axis.set_xlabel("logits" + (f" ({left_out} more groups not shown)" if left_out else ""))
    axis.axvline(0, color="black", linewidth=0.8)
    axis.legend(loc="lower right", fontsize=8)
    head(figure, explanation)
    return figure
