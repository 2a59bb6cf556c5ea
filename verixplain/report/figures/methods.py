"""The maps of several methods side by side."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, TwoSlopeNorm
from matplotlib.figure import Figure

from verixplain.explanation import Explanation
from verixplain.features import Plane
from verixplain.report.figures.canvas import MOST_BARS, NOTHING, canvas, short
from verixplain.report.figures.images import pixels, plane_of, show_input
from verixplain.report.view import class_in_words, target_in_words


def comparison(explanations: Sequence[Explanation]) -> Figure:
    """One input and the maps of several methods, for a slide; a table has a row a method.

    Maps are sums over a pixel's channels. Each has a scale of its own, cut at its 99th percentile;
    a map of both signs is centred on zero.
    """
    first = explanations[0]
    image = first.query.groups.plane or plane_of(first)
    if image is None:
        named = {one.method: one.query.groups.spread(one.group_scores) for one in explanations}
        figure = _table_sheet(named, first.query.network.card.names)
    else:
        panels = len(explanations) + 1
        columns = min(panels, max(4, math.ceil((panels * 16 / 9) ** 0.5)))
        rows = -(-panels // columns)
        height = min(1.75 * image.rows / image.columns + 0.4, 4.0)
        figure = canvas(1.8 * columns, height * rows + 0.7)
        axes = np.atleast_1d(figure.subplots(rows, columns)).ravel()
        for axis in axes:
            axis.axis("off")
        show_input(axes[0], first, image)
        axes[0].set_title("input\n", fontsize=8)
        for axis, one in zip(axes[1:], explanations, strict=False):
            _show_map(axis, one, image)
        words = "orange speaks against, purple for; maps of one sign: yellow counts most"
        figure.supxlabel(f"every map on its own scale; {words}", fontsize=8, color="0.35")
    label = first.query.target.label_index
    asked = class_in_words(first, label) if label is not None else target_in_words(first)
    figure.suptitle(f"{first.query.network.name}: what speaks for {asked}", fontsize=12)
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
    figure = canvas(1.9 * columns, 2.1 * rows)
    axes = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for axis in axes:
        axis.axis("off")
    for axis, (name, scores) in zip(axes, maps.items(), strict=False):
        values = pixels(scores, image)
        norm = Normalize(float(np.nanmin(values)), float(np.nanmax(values)))
        axis.imshow(values, cmap="cividis", norm=norm, interpolation="nearest")
        axis.set_title(short(name), fontsize=8)
    return figure


def _table_sheet(maps: Mapping[str, np.ndarray], names: Sequence[str]) -> Figure:
    values = np.stack([np.asarray(scores, dtype=np.float64).ravel() for scores in maps.values()])
    size = np.nanmax(np.abs(values), axis=1, keepdims=True)
    figure = canvas(min(0.5 * values.shape[1] + 2.0, 12.0), 0.4 * len(maps) + 1.8)
    axis = figure.subplots()
    shown = axis.imshow(
        values / np.where(size > 0, size, 1.0), cmap="PuOr", vmin=-1, vmax=1, aspect="auto"
    )
    axis.set_yticks(range(len(maps)), [short(name) for name in maps])
    if len(names) == values.shape[1] <= MOST_BARS:
        axis.set_xticks(range(len(names)), [short(name, 14) for name in names], rotation=60)
    figure.colorbar(shown, ax=axis, label="share of the method's largest score")
    return figure


def _show_map(axis: Axes, one: Explanation, image: Plane) -> None:
    values = one.scores.ravel()[image.pixels].sum(axis=1).reshape(image.rows, image.columns)
    known = values[~np.isnan(values)]
    reach = float(np.percentile(np.abs(known), 99)) or float(np.abs(known).max()) or 1.0
    signed = known.min() < -0.05 * max(float(known.max()), 0.0)
    lowest = float(known.min()) if known.min() < reach else 0.0
    norm = TwoSlopeNorm(0, -reach, reach) if signed else Normalize(lowest, reach)
    colours = colormaps["PuOr" if signed else "cividis"].with_extremes(bad=NOTHING)
    axis.imshow(np.ma.masked_invalid(values), cmap=colours, norm=norm, interpolation="nearest")
    sure = "" if one.guarantee == "none" else f", {one.guarantee}"
    axis.set_title(f"{short(one.method, 28)}\n{one.timing['total']:.2g} s{sure}", fontsize=7.5)
