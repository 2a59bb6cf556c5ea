"""Numbers and inputs laid out as pixels."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Normalize

from verixplain.errors import VerixplainError
from verixplain.explanation import Explanation
from verixplain.features import Plane, plane
from verixplain.report.figures.canvas import NOTHING
from verixplain.report.view import class_in_words

if TYPE_CHECKING:
    from verixplain.network.card import Card


def plane_of(explanation: Explanation) -> Plane | None:
    """The image that the input is, or None where it is none."""
    network = explanation.query.network
    if network.card.layout == "vec":
        return None
    try:
        return plane(network.input_shape, network.card.layout)
    except VerixplainError:
        return None


def show_input(axis: Axes, explanation: Explanation, image: Plane) -> None:
    """The input that is explained, with its class."""
    show_picture(axis, explanation.query.box.center, explanation.query.network.card, image)
    label = explanation.query.target.label_index
    axis.set_title(
        "input" + (f": {class_in_words(explanation, label)}" if label is not None else "")
    )


def show_picture(axis: Axes, center: np.ndarray, card: "Card", image: Plane) -> None:
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


def show_colours(axis: Axes, values: np.ndarray, name: str, norm: Normalize, label: str) -> None:
    """Values of (rows, columns) in a named colour map, with its scale; NaN is grey."""
    colours = colormaps[name].with_extremes(bad=NOTHING)
    shown = axis.imshow(
        np.ma.masked_invalid(values), cmap=colours, norm=norm, interpolation="nearest"
    )
    bar = axis.figure.colorbar(shown, ax=axis, fraction=0.046, pad=0.03)
    bar.set_label(label + (", grey: in no group" if np.isnan(values).any() else ""))


def top(values: np.ndarray) -> float:
    """The largest value, above zero so that a colour scale exists."""
    high = float(np.nanmax(values))
    return high if high > 0 else 1.0


def pixels(values: np.ndarray, image: Plane) -> np.ndarray:
    """The largest number of each pixel's channels, (rows, columns)."""
    laid = np.asarray(values, dtype=np.float64).ravel()[image.pixels]
    return np.fmax.reduce(laid, axis=1).reshape(image.rows, image.columns)


def outlines(explanation: Explanation, image: Plane) -> list[list[tuple[float, float]]]:
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
