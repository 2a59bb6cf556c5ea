"""Every picture, one function each; the only module that imports matplotlib.

Figures are made without pyplot, so nothing of the caller's matplotlib changes. Colours are
cividis, viridis and (for scores of both signs) PuOr: all three survive colour blindness.
"""

import math
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PatchCollection
from matplotlib.colors import Normalize, TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.text import Text

from verixplain.errors import SettingError, VerixplainError
from verixplain.explanation import Explanation
from verixplain.features import Plane, plane
from verixplain.report.status import COLOURS, EMPIRICAL, HATCHES
from verixplain.report.view import (
    box_in_words,
    class_in_words,
    interval,
    order_in_words,
    ranking,
    target_in_words,
    threshold,
)

if TYPE_CHECKING:
    from verixplain.certify.sweep import Radius
    from verixplain.network.card import Card

MOST_BARS = 30
MOST_ORDERED = 64
RESOLUTION = 150
_NOTHING = "0.75"
_DARK = "#3b496c"

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
    names, places = _column_names(explanation), np.arange(len(ranked))
    figure = _figure(12.5, 0.17 * len(ranked) + 2.8)
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
                height=0.72, hatch=hatch, facecolor=_DARK if not hatch else "white",
                edgecolor=_DARK, linewidth=0.6, label=label,
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
    _head(figure, explanation)
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
            squares, hatch="//////", facecolor="white", edgecolor=_NOTHING, linewidth=0.0
        )
    )
    axis.set(xticks=[], xlim=(-0.5, count - 0.5))
    axis.set_title(
        "dark: the row counts more; light: the column does; hatched: undecided", fontsize=8
    )


def enclosure(explanation: Explanation) -> Figure:
    """Both ends of every group's true importance, in the input's shape; bars for tables."""
    if explanation.lower is None or explanation.upper is None:
        raise SettingError(f"{explanation.method} encloses nothing, so there is no picture of it")
    image = explanation.query.groups.plane or _plane(explanation)
    if image is None:
        return _bars(explanation)
    height = min(max(4.0 * image.rows / image.columns, 2.2), 7.0)
    figure = _figure(9.6, height + 1.2)
    ends = [_pixels(end, image) for end in (explanation.lower, explanation.upper)]
    norm = Normalize(0, _top(ends[1]))
    outlines = _outlines(explanation, image)
    words = ("at least", "at most")
    for axis, end, word in zip(figure.subplots(1, 2), ends, words, strict=True):
        _colours(axis, end, "cividis", norm, "logits")
        axis.set_title(f"every group counts {word}")
        axis.set(xticks=[], yticks=[])
        axis.add_collection(LineCollection(outlines, colors="white", linewidths=0.8))
    _head(figure, explanation)
    return figure


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
    _show_picture(axis, explanation.query.box.center, explanation.query.network.card, image)
    label = explanation.query.target.label_index
    axis.set_title(
        "input" + (f": {class_in_words(explanation, label)}" if label is not None else "")
    )


def _show_picture(axis: Axes, center: np.ndarray, card: "Card", image: Plane) -> None:
    """An input as a person sees it: raw values, in the card's data range."""
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


class _Plain(Figure):
    """A figure whose texts are what they say: a dollar sign in a name starts no formula."""

    def draw(self, renderer: Any) -> None:
        for text in self.findobj(Text):
            text.set_parse_math(False)
        super().draw(renderer)


def _figure(width: float, height: float) -> Figure:
    figure = _Plain(figsize=(width, height), dpi=RESOLUTION, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def intervals(groups: Sequence[Mapping[str, Any]], unit: str, guarantee: str) -> Figure:
    """Scores with the intervals that the true importances lie in, the most important on top.

    Where two intervals do not meet, the order of their groups is decided.

    Args:
        groups: as `explanation.json` has them, in the order to be shown.
        unit: of the scores.
        guarantee: what the numbers are.
    """
    shown = groups[:MOST_BARS]
    figure = _figure(7.5, 0.27 * len(shown) + 1.2)
    axis = figure.subplots()
    places = np.arange(len(shown))
    colour = EMPIRICAL if guarantee in ("empirical", "none") else COLOURS["certified"]
    for place, group in zip(places, shown, strict=True):
        if group["importance"] is not None:
            ends = group["importance"]["lower"], group["importance"]["upper"]
            axis.plot(ends, (place, place), color=colour, linewidth=5, alpha=0.45)
            axis.plot(ends, (place, place), "|", color=colour, markersize=9)
    scores = [group["score"] for group in shown]
    axis.plot(scores, places, "o", color=colour, markersize=4)
    axis.set_ylim(len(shown) - 0.4, -0.6)
    axis.set_yticks(places, [short(group["name"]) for group in shown])
    axis.axvline(0, color="black", linewidth=0.8)
    left_out = len(groups) - len(shown)
    words = "bar: the true importance lies in here" if shown[0]["importance"] else "score"
    axis.set_xlabel(f"{unit} ({words})" + (f"; {left_out} more groups" if left_out else ""))
    axis.grid(axis="x", alpha=0.3)
    return figure


def counts(claims: Mapping[str, Mapping[str, int]]) -> Figure:
    """How many claims of each kind have which status.

    Args:
        claims: kind of claim -> `planned` and the count of every status.
    """
    figure = _figure(7.5, 0.45 * len(claims) + 1.4)
    axis = figure.subplots()
    start = np.zeros(len(claims))
    for status, colour in COLOURS.items():
        found = np.array([claims[kind][status] for kind in claims], dtype=float)
        if not found.any():
            continue
        bars = axis.barh(
            np.arange(len(claims)), found, left=start, color=colour, label=status,
            hatch=HATCHES.get(status), edgecolor="white" if status != "not-run" else "0.6",
        )  # fmt: skip
        axis.bar_label(
            bars, [f"{n:.0f}" if n else "" for n in found], label_type="center", fontsize=8,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1, "alpha": 0.85},
        )  # fmt: skip
        start += found
    axis.set_yticks(np.arange(len(claims)), [short(kind) for kind in claims])
    axis.set_ylim(len(claims) - 0.5, -0.5)
    axis.set_xlabel("claims")
    figure.legend(loc="outside lower center", ncols=5, fontsize=8, frameon=False)
    return figure


def shares(series: Mapping[str, Sequence[tuple[float, Mapping[str, float]]]]) -> Figure:
    """The share of inputs of which a claim holds, against the radius, with exact intervals.

    Args:
        series: name -> pairs of a radius and a share with its `lower` and `upper` end.
    """
    figure = _figure(7.5, 3.6)
    axis = figure.subplots()
    every = [radius for points in series.values() for radius, _ in points]
    styles = ("o-", "s--", "^:", "D-.", "v-", "P--", "X:", "*-.")
    for number, (name, points) in enumerate(series.items()):
        points = sorted(points, key=lambda point: point[0])
        radii = [radius for radius, _ in points]
        values = np.array([[s["share"], s["lower"], s["upper"]] for _, s in points]).T
        axis.errorbar(
            radii, values[0], yerr=[values[0] - values[1], values[2] - values[0]],
            fmt=styles[number % len(styles)], color=f"C{number}", capsize=3, label=name,
        )  # fmt: skip
    axis.set(xlabel="radius (units of the data range)", ylabel="share that holds", ylim=(0, 1.02))
    smallest, largest = min(every), max(every)
    if smallest > 0 and largest > 8 * smallest:
        axis.set_xscale("log")
        axis.xaxis.set_major_formatter("{x:g}")
    axis.grid(alpha=0.3)
    figure.legend(loc="outside lower center", fontsize=8, frameon=False)
    return figure


def radii_figure(found: Sequence["Radius"], words: str) -> Figure:
    """What a map says against the radius: ordered pairs, and width and spread of enclosures.

    Args:
        found: a radius each.
        words: under the picture.
    """
    figure = _figure(10.5, 4.2)
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


def points(pictures: Mapping[str, np.ndarray], card: "Card", image: Plane) -> Figure:
    """The input and a witness side by side, and by how much every pixel differs.

    Args:
        pictures: the two inputs by their titles, in the model's units.
        card: of the model.
        image: where their pixels are.
    """
    figure = _figure(7.5, 2.9)
    axes = figure.subplots(1, 3)
    for axis, (title, values) in zip(axes, pictures.items(), strict=False):
        _show_picture(axis, values, card, image)
        axis.set_title(title, fontsize=9)
    first, second = pictures.values()
    moved = (second - first).ravel()[image.pixels]
    moved = np.take_along_axis(moved, np.abs(moved).argmax(axis=1)[:, None], axis=1)
    reach = float(np.abs(moved).max()) or 1.0
    norm = TwoSlopeNorm(0, -reach, reach)
    laid = moved.reshape(image.rows, image.columns)
    _colours(axes[2], laid, "PuOr", norm, "model's units")
    axes[2].set_title("difference", fontsize=9)
    for axis in axes:
        axis.set(xticks=[], yticks=[])
    return figure


def sheet(maps: Mapping[str, np.ndarray], image: Plane | None, names: Sequence[str]) -> Figure:
    """All methods about one input in one picture, every map on a scale of its own.

    Args:
        maps: method -> scores in the input's shape.
        image: where the pixels are, or None for a table.
        names: of a table's columns.
    """
    if image is None:
        return _table_sheet(maps, names)
    columns = min(len(maps), 5)
    rows = -(-len(maps) // columns)
    figure = _figure(1.9 * columns, 2.1 * rows)
    axes = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for axis in axes:
        axis.axis("off")
    for axis, (name, scores) in zip(axes, maps.items(), strict=False):
        values = _pixels(scores, image)
        norm = Normalize(float(np.nanmin(values)), float(np.nanmax(values)))
        axis.imshow(values, cmap="cividis", norm=norm, interpolation="nearest")
        axis.set_title(short(name), fontsize=8)
    return figure


def _table_sheet(maps: Mapping[str, np.ndarray], names: Sequence[str]) -> Figure:
    values = np.stack([np.asarray(scores, dtype=np.float64).ravel() for scores in maps.values()])
    size = np.nanmax(np.abs(values), axis=1, keepdims=True)
    figure = _figure(min(0.5 * values.shape[1] + 2.0, 12.0), 0.4 * len(maps) + 1.8)
    axis = figure.subplots()
    shown = axis.imshow(
        values / np.where(size > 0, size, 1.0), cmap="PuOr", vmin=-1, vmax=1, aspect="auto"
    )
    axis.set_yticks(range(len(maps)), [short(name) for name in maps])
    if len(names) == values.shape[1] <= MOST_BARS:
        axis.set_xticks(range(len(names)), [short(name, 14) for name in names], rotation=60)
    figure.colorbar(shown, ax=axis, label="share of the method's largest score")
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


def comparison(explanations: Sequence[Explanation]) -> Figure:
    """One input and the maps of several methods, for a slide; a table has a row a method.

    Maps are sums over a pixel's channels. Each has a scale of its own, cut at its 99th percentile;
    a map of both signs is centred on zero.
    """
    first = explanations[0]
    image = first.query.groups.plane or _plane(first)
    if image is None:
        named = {one.method: one.query.groups.spread(one.group_scores) for one in explanations}
        figure = _table_sheet(named, first.query.network.card.names)
    else:
        panels = len(explanations) + 1
        columns = min(panels, max(4, math.ceil((panels * 16 / 9) ** 0.5)))
        rows = -(-panels // columns)
        height = min(1.75 * image.rows / image.columns + 0.4, 4.0)
        figure = _figure(1.8 * columns, height * rows + 0.7)
        axes = np.atleast_1d(figure.subplots(rows, columns)).ravel()
        for axis in axes:
            axis.axis("off")
        _show_input(axes[0], first, image)
        axes[0].set_title("input\n", fontsize=8)
        for axis, one in zip(axes[1:], explanations, strict=False):
            _show_map(axis, one, image)
        words = "orange speaks against, purple for; maps of one sign: yellow counts most"
        figure.supxlabel(f"every map on its own scale; {words}", fontsize=8, color="0.35")
    label = first.query.target.label_index
    asked = class_in_words(first, label) if label is not None else target_in_words(first)
    figure.suptitle(f"{first.query.network.name}: what speaks for {asked}", fontsize=12)
    return figure


def _show_map(axis: Axes, one: Explanation, image: Plane) -> None:
    values = one.scores.ravel()[image.pixels].sum(axis=1).reshape(image.rows, image.columns)
    known = values[~np.isnan(values)]
    reach = float(np.percentile(np.abs(known), 99)) or float(np.abs(known).max()) or 1.0
    signed = known.min() < -0.05 * max(float(known.max()), 0.0)
    lowest = float(known.min()) if known.min() < reach else 0.0
    norm = TwoSlopeNorm(0, -reach, reach) if signed else Normalize(lowest, reach)
    colours = colormaps["PuOr" if signed else "cividis"].with_extremes(bad=_NOTHING)
    axis.imshow(np.ma.masked_invalid(values), cmap=colours, norm=norm, interpolation="nearest")
    sure = "" if one.guarantee == "none" else f", {one.guarantee}"
    axis.set_title(f"{short(one.method, 24)}\n{one.timing['total']:.2g} s{sure}", fontsize=8)


def sanity_curves(lines: Sequence[Mapping[str, Any]], measure: str = "spearman") -> Figure:
    """How alike maps stay, step by step and check by check; noise also against the score.

    Args:
        lines: of an examination's table.
        measure: which similarity is drawn.
    """
    known = [one for one in lines if one["similarity"] == measure and one["mean"] is not None]
    names = list(dict.fromkeys(one["check"] for one in known))
    methods = list(dict.fromkeys(one["method"] for one in known))
    panels = [(name, "step") for name in names]
    panels += [(name, "score") for name in names if name == "model-perturbation"]
    figure = _figure(4.4 * len(panels) + 1.6, 4.2)
    axes = np.atleast_1d(figure.subplots(1, len(panels), sharey=True))
    for axis, (name, by) in zip(axes, panels, strict=True):
        found = [one for one in known if one["check"] == name]
        steps = list(dict.fromkeys(one["step"] for one in found))
        for number, method in enumerate(methods):
            mine = [one for one in found if one["method"] == method]
            if not mine:
                continue
            places = [one["score"] if by == "score" else steps.index(one["step"]) for one in mine]
            errors = [one["standard_error"] or 0.0 for one in mine]
            style = {"color": _LINES[number % len(_LINES)], "marker": _MARKS[number % len(_MARKS)]}
            values = [one["mean"] for one in mine]
            axis.errorbar(places, values, errors, label=method, markersize=4, lw=1.2, **style)
        axis.axhline(0, color="0.6", lw=0.8)
        axis.set_title(name + (" by the prediction" if by == "score" else ""), fontsize=10)
        if by == "score":
            axis.set_xlabel("softmax of the class, as a share of what it was")
            axis.set_xlim(1.03, -0.03)
            continue
        axis.set_xticks(
            range(len(steps)), [short(one, 18) for one in steps], rotation=45, ha="right"
        )
        if name == "model-perturbation":
            kept = {one["step"]: one["score"] for one in found}
            axis.plot(
                range(len(steps)), [kept[step] for step in steps], "--", color="0.4",
                label="softmax of the class",
            )  # fmt: skip
    axes[0].set_ylabel(f"similarity to the first map ({measure})")
    handles: dict[str, Any] = {}
    for axis in axes:
        lines_there, words = axis.get_legend_handles_labels()
        handles |= dict(zip(words, lines_there, strict=True))
    figure.legend(list(handles.values()), list(handles), loc="outside right upper", fontsize=8)
    return figure


_LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
_MARKS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">", "h")
