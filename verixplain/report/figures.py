"""Every picture, one function each; the only module that imports matplotlib.

Figures are made without pyplot, so nothing of the caller's matplotlib changes. Colours are
cividis, viridis and (for scores of both signs) PuOr: all three survive colour blindness.
"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize, TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from verixplain.errors import VerixplainError
from verixplain.explanation import Explanation
from verixplain.features import Plane, plane
from verixplain.report.view import (
    box_in_words,
    class_in_words,
    interval,
    order_in_words,
    ranking,
    target_in_words,
)

MOST_BARS = 30
RESOLUTION = 150
_NOTHING = "0.75"

SHORT = {
    "certified": "certified",
    "estimate": "estimate (bounds that no checker has seen)",
    "empirical": "empirical (sampled, nothing proved)",
    "none": "none",
}


def heatmap(explanation: Explanation) -> Figure:
    """Input, scores and enclosure width side by side; bars with intervals for tables."""
    image = explanation.query.groups.plane or _plane(explanation)
    return _bars(explanation) if image is None else _maps(explanation, image)


def _plane(explanation: Explanation) -> Plane | None:
    """The image that the input is, or None where it is none."""
    network = explanation.query.network
    if network.card.layout == "vec":
        return None
    try:
        return plane(network.input_shape, network.card.layout)
    except VerixplainError:
        return None


def _maps(explanation: Explanation, image: Plane) -> Figure:
    panels = 2 if explanation.overlaps is None else 3
    height = min(max(4.0 * image.rows / image.columns, 2.2), 7.0)
    figure = _figure(4.6 * panels, height + 1.2)
    axes = figure.subplots(1, panels)
    scores = _pixels(explanation.scores, image)
    outlines = _outlines(explanation, image)
    _show_input(axes[0], explanation, image)
    _show_scores(axes[1], scores, explanation)
    if explanation.overlaps is not None:
        width = _pixels(explanation.upper - explanation.lower, image)  # type: ignore[operator]
        axes[2].set_title("width of the enclosure")
        norm = Normalize(0, _top(width))
        _colours(axes[2], width, "viridis", norm, "upper - lower end (logits)")
    for k, axis in enumerate(axes):
        axis.set(xticks=[], yticks=[])
        if outlines:
            colour = "white" if k else "#e69f00"
            axis.add_collection(LineCollection(outlines, colors=colour, linewidths=0.8))
    _number_the_best(axes[1], explanation, image)
    _head(figure, explanation)
    return figure


def _show_input(axis: Axes, explanation: Explanation, image: Plane) -> None:
    card, center = explanation.query.network.card, explanation.query.box.center
    try:
        mean = card.per_feature(card.mean, center.shape)
        std = card.per_feature(card.std, center.shape)
        center = center * std + mean
    except VerixplainError:
        pass  # a card that does not fit: shown in the model's units
    low, high = card.range or (float(center.min()), float(center.max()))
    picture = np.clip((center - low) / ((high - low) or 1.0), 0, 1).ravel()[image.pixels]
    picture = picture.reshape(image.rows, image.columns, -1)
    if picture.shape[2] == 3:
        axis.imshow(picture, interpolation="nearest")
    else:
        axis.imshow(picture.mean(axis=2), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    label = explanation.query.target.label_index
    axis.set_title(
        "input" + (f": {class_in_words(explanation, label)}" if label is not None else "")
    )


def _show_scores(axis: Axes, scores: np.ndarray, explanation: Explanation) -> None:
    axis.set_title(f"scores ({explanation.method})")
    low, high = float(np.nanmin(scores)), float(np.nanmax(scores))
    unit = "score (logits)" if explanation.overlaps is not None else "score"
    if low < -0.05 * max(high, 0.0) and low < 0:
        reach = max(abs(low), abs(high))
        _colours(axis, scores, "PuOr", TwoSlopeNorm(0, -reach, reach), unit)
    else:
        _colours(axis, scores, "cividis", Normalize(min(low, 0.0), _top(scores)), unit)


def _colours(axis: Axes, values: np.ndarray, name: str, norm: Normalize, label: str) -> None:
    from matplotlib import colormaps

    colours = colormaps[name].with_extremes(bad=_NOTHING)
    shown = axis.imshow(
        np.ma.masked_invalid(values), cmap=colours, norm=norm, interpolation="nearest"
    )
    bar = axis.figure.colorbar(shown, ax=axis, fraction=0.046, pad=0.03)
    bar.set_label(label + (", grey: in no group" if np.isnan(values).any() else ""))


def _top(values: np.ndarray) -> float:
    """The largest value, above zero so that a colour scale exists."""
    high = float(np.nanmax(values))
    return high if high > 0 else 1.0


def _pixels(values: np.ndarray, image: Plane) -> np.ndarray:
    """The largest number of each pixel's channels, (rows, columns)."""
    laid = np.asarray(values, dtype=np.float64).ravel()[image.pixels]
    return np.fmax.reduce(laid, axis=1).reshape(image.rows, image.columns)


def _outlines(explanation: Explanation, image: Plane) -> list[list[tuple[float, float]]]:
    """Lines between pixels of different groups; none where every pixel is its own group."""
    groups = explanation.query.groups
    if len(groups) * 2 > image.rows * image.columns:
        return []
    labels = groups.label_map().ravel()[image.pixels[:, 0]].reshape(image.rows, image.columns)
    lines = [
        [(c - 0.5, r + 0.5), (c + 0.5, r + 0.5)] for r, c in np.argwhere(labels[1:] != labels[:-1])
    ]
    lines += [
        [(c + 0.5, r - 0.5), (c + 0.5, r + 0.5)]
        for r, c in np.argwhere(labels[:, 1:] != labels[:, :-1])
    ]
    return lines


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
    figure = _figure(9.0, 0.32 * len(ranked) + 2.4)
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
    names = _column_names(explanation)
    axis.set_yticks(places, [names[number] for number in ranked])
    axis.set_ylim(len(ranked) - 0.4, -0.6)
    left_out = len(groups) - len(ranked)
    axis.set_xlabel("logits" + (f" ({left_out} more groups not shown)" if left_out else ""))
    axis.axvline(0, color="black", linewidth=0.8)
    axis.legend(loc="lower right", fontsize=8)
    _head(figure, explanation)
    return figure


def _column_names(explanation: Explanation) -> list[str]:
    """What to write beside each bar: the group's name with the input's value where it is one."""
    query = explanation.query
    center = query.box.center.ravel()
    return [
        f"{name} = {center[members[0]]:.4g}" if len(members) == 1 else name
        for name, members in zip(query.groups.names, query.groups.members, strict=True)
    ]


def _head(figure: Figure, explanation: Explanation) -> None:
    """The headline: what, how sure, how far."""
    kept = target_in_words(explanation)
    lines = [
        f"What keeps {kept}   |   guarantee: {SHORT[explanation.guarantee]}",
        box_in_words(explanation),
    ]
    if explanation.overlaps is not None:
        found = interval(explanation.overlaps.lower, explanation.overlaps.upper)
        lines.append(f"overlap in the box in {found} (negative: the decision stands)")
    if explanation.order is not None:
        lines[-1] += f"   |   {order_in_words(explanation.order)}"
    figure.suptitle("\n".join(lines), fontsize=10)


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), dpi=RESOLUTION, layout="constrained")
    FigureCanvasAgg(figure)
    return figure
