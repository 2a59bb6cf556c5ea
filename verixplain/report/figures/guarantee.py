"""The pictures of a guarantee report."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure

from verixplain.features import Plane
from verixplain.report.figures.canvas import MOST_BARS, canvas, short
from verixplain.report.figures.images import show_colours, show_picture
from verixplain.report.status import COLOURS, EMPIRICAL, HATCHES

if TYPE_CHECKING:
    from verixplain.network.card import Card


def intervals(groups: Sequence[Mapping[str, Any]], unit: str, guarantee: str) -> Figure:
    """Scores with the intervals that the true importances lie in, the most important on top.

    Where two intervals do not meet, the order of their groups is decided.

    Args:
        groups: as `explanation.json` has them, in the order to be shown.
        unit: of the scores.
        guarantee: what the numbers are.
    """
    shown = groups[:MOST_BARS]
    figure = canvas(7.5, 0.27 * len(shown) + 1.2)
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
    figure = canvas(7.5, 0.45 * len(claims) + 1.4)
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
    figure = canvas(7.5, 3.6)
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


def points(pictures: Mapping[str, np.ndarray], card: "Card", image: Plane) -> Figure:
    """The input and a witness side by side, and by how much every pixel differs.

    Args:
        pictures: the two inputs by their titles, in the model's units.
        card: of the model.
        image: where their pixels are.
    """
    figure = canvas(7.5, 2.9)
    axes = figure.subplots(1, 3)
    for axis, (title, values) in zip(axes, pictures.items(), strict=False):
        show_picture(axis, values, card, image)
        axis.set_title(title, fontsize=9)
    first, second = pictures.values()
    moved = (second - first).ravel()[image.pixels]
    moved = np.take_along_axis(moved, np.abs(moved).argmax(axis=1)[:, None], axis=1)
    reach = float(np.abs(moved).max()) or 1.0
    norm = TwoSlopeNorm(0, -reach, reach)
    laid = moved.reshape(image.rows, image.columns)
    show_colours(axes[2], laid, "PuOr", norm, "model's units")
    axes[2].set_title("difference", fontsize=9)
    for axis in axes:
        axis.set(xticks=[], yticks=[])
    return figure
