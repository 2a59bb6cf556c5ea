"""A question in the words of a command or a job file, and the query it becomes."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from verixplain.errors import CardError, GroupsError, RegionError, SettingError, TargetError
from verixplain.features import Groups, plane
from verixplain.inputs import Input, InputFile, array
from verixplain.query import Box, Query, Target

if TYPE_CHECKING:
    from verixplain.network import Network
    from verixplain.network.card import Card

UNITS = ("model", "scaled", "raw")
"""What lengths are given in: what the network sees; raw times the card's scale; raw."""

GROUPS = "pixels | grid:HxW | superpixels:N | columns[:NAME=COL+COL,...] | labels:FILE"


@dataclass(frozen=True)
class Request:
    """What is asked of every input.

    Args:
        radius: a number (epsilon in the paper), a file with one per feature, or `max`: the whole
            data range, for claims that look for the largest radius.
        units: of `radius` and `clip`, one of `UNITS`.
        clip: the data range; by default that of the card, where it has one.
        no_clip: whether the card's range is left alone.
        lower, upper: files with the ends of the box, instead of a radius.
        groups: which inputs move together; by default pixels of an image, columns of a table.
        target: the class to explain; by default the predicted one.
        against: the one class to compare with; by default all others.
        at_most, at_least: the threshold for a network with one output.
        check_label: whether an input that is not predicted as its label is refused.
    """

    radius: str | float | None = None
    units: str = "model"
    clip: tuple[float, float] | None = None
    no_clip: bool = False
    lower: str | None = None
    upper: str | None = None
    groups: str | None = None
    target: int | None = None
    against: int | None = None
    at_most: float | None = None
    at_least: float | None = None
    check_label: bool = False

    def __post_init__(self) -> None:
        if self.units not in UNITS:
            raise SettingError(f"no units {self.units!r}; there are: {', '.join(UNITS)}")
        if (self.lower is None) != (self.upper is None):
            raise SettingError("--lower and --upper go together; give both ends of the box")
        if (self.radius is None) == (self.lower is None):
            raise SettingError("give either --radius or both --lower and --upper")
        if self.lower is not None and (self.clip is not None or self.units != "model"):
            raise SettingError(
                "--lower and --upper say the whole box; --clip and units go with --radius"
            )
        if self.at_most is not None and self.at_least is not None:
            raise SettingError("give one of --at-most and --at-least")

    def query(self, network: "Network", given: Input) -> Query:
        """The query about one input.

        Raises:
            RegionError, GroupsError, TargetError, InputError: a part does not fit the network.
        """
        center = given.values.astype(np.float64)
        box = self._box(network, given, center)
        return Query(
            network, box, self._target(network, given), made_groups(network, self.groups, center)
        )

    def to_dict(self) -> dict[str, Any]:
        """What was asked for, without what was left open."""
        return {name: value for name, value in asdict(self).items() if value not in (None, False)}

    def _box(self, network: "Network", given: Input, center: np.ndarray) -> Box:
        card, shape = network.card, network.input_shape
        if self.lower is not None and self.upper is not None:
            ends = [_end(end, network, given) for end in (self.lower, self.upper)]
            return Box(center, ends[0], ends[1])
        clip = None if self.no_clip else card.clip(shape)
        if self.clip is not None:
            low, high = self.clip
            clip = position(low, self.units, card, shape), position(high, self.units, card, shape)
        if clip is not None:
            clip = _reached(clip, center, network.input_dtype)
        if self.radius == "max":
            if clip is None:
                raise RegionError("the radius max needs a data range; give one with --clip")
            low, high = (np.broadcast_to(end, center.shape) for end in clip)
            return Box(center, low, high)
        radius = length(self._radius(network, given), self.units, card, shape)
        return Box.around(center, radius, clip)

    def _radius(self, network: "Network", given: Input) -> np.ndarray:
        """The radius as given: a number, or one per feature from a file."""
        try:
            return np.array(float(self.radius))  # type: ignore[arg-type]
        except (TypeError, ValueError):
            pass
        if not re.search(r"\.np[yz]\b", str(self.radius)):
            raise RegionError(
                f"the radius is {self.radius!r}; give a number, or an .npy with one per feature"
            )
        return _read(str(self.radius), network, given)

    def _target(self, network: "Network", given: Input) -> Target:
        threshold = self.at_most if self.at_most is not None else self.at_least
        if threshold is not None:
            if network.outputs != 1:
                raise TargetError(
                    f"a threshold is for a network with one output; this one has {network.outputs}"
                )
            sign = 1.0 if self.at_most is not None else -1.0
            return Target.rows(np.array([[sign]]), np.array([-sign * threshold]))
        label = predicted_label(network(given.values[None])[0], network.card.kind)
        if label is None:
            raise TargetError(
                "the network gives a value and no class; say what is to hold of it "
                "(--at-most or --at-least)"
            )
        wanted = self.target if self.target is not None else given.label
        if self.check_label and wanted is None:
            raise TargetError(f"{given.source} has no label to check; leave out --label-check")
        if self.check_label and wanted != label:
            raise TargetError(
                f"{given.source} is predicted as class {label}, not as its label {wanted}"
            )
        chosen = label if self.target is None else self.target
        smallest = network.card.kind == "scores-min"
        if self.against is not None:
            return Target.pair(chosen, self.against, smallest)
        return Target.label(chosen, smallest)


def predicted_label(outputs: np.ndarray, kind: str) -> int | None:
    """The class that wins, the first of several; None for a network that gives a value."""
    if kind == "value" or len(outputs) < 2:
        return None
    return int(np.argmin(outputs) if kind == "scores-min" else np.argmax(outputs))


def length(value: np.ndarray, units: str, card: "Card", shape: tuple[int, ...]) -> np.ndarray:
    """A length (a radius) in the model's units."""
    if units == "model":
        return value
    return card.radius(value * card.scale if units == "raw" else value, shape)


def position(value: float, units: str, card: "Card", shape: tuple[int, ...]) -> np.ndarray:
    """A place (an end of the data range) in the model's units."""
    if units == "model":
        return np.array(value)
    scaled = value * card.scale if units == "raw" else value
    return (scaled - card.per_feature(card.mean, shape)) / card.per_feature(card.std, shape)


def _reached(
    clip: tuple[np.ndarray, np.ndarray], center: np.ndarray, dtype: type
) -> tuple[np.ndarray, np.ndarray]:
    """The data range in the model's input type, with a center that rounding put just outside.

    The center was rounded to that type (perhaps in another order of operations), so it may miss
    an end that it stands for by some last digits; the box then reaches to the center.
    """
    low, high = (np.asarray(end, dtype=np.float64).astype(dtype).astype(np.float64) for end in clip)
    slack = 1e-6 * np.maximum(np.abs(low), np.abs(high))
    return (
        np.where((center < low) & (center >= low - slack), center, low),
        np.where((center > high) & (center <= high + slack), center, high),
    )


def _read(text: str, network: "Network", given: Input, units: bool = False) -> np.ndarray:
    """One array in the input's shape; of several, that of the same index."""
    card = network.card if units else replace(network.card, scale=1.0, mean=(0.0,), std=(1.0,))
    file = InputFile(text, network.input_shape, np.float64, card)
    several = len(file) > 1 and given.index is not None
    return file.read(given.index if several and given.index is not None else file.indices[0]).values


def _end(text: str, network: "Network", given: Input) -> np.ndarray:
    return _read(text, network, given, units=True)


def made_groups(network: "Network", words: str | None, center: np.ndarray) -> Groups:
    """The groups that `words` (see `GROUPS`) stand for.

    Raises:
        GroupsError: nobody knows these words, or they do not fit the input.
    """
    shape, card = network.input_shape, network.card
    if words is None:
        words = "pixels" if _is_image(network) else "columns"
    kind, _, rest = words.partition(":")
    if kind == "pixels" and not rest:
        return Groups.pixels(shape, card.layout)
    if kind == "grid":
        rows, columns = _numbers(rest.lower().split("x"), 2, words)
        return Groups.grid(shape, rows, columns, card.layout)
    if kind == "superpixels":
        (count,) = _numbers([rest], 1, words)
        return Groups.superpixels(center, count, card.layout)
    if kind == "columns":
        return Groups.columns(shape, _columns(rest, card, int(np.prod(shape))))
    if kind == "labels" and rest:
        return Groups.labels(shape, array(rest), card.layout)
    raise GroupsError(f"no groups {words!r}; there are: {GROUPS}")


def _is_image(network: "Network") -> bool:
    if network.card.layout == "vec":
        return False
    try:
        plane(network.input_shape, network.card.layout)
    except GroupsError:
        return False
    return True


def _numbers(parts: list[str], count: int, words: str) -> list[int]:
    """So many positive whole numbers."""
    if len(parts) == count and all(part.isdecimal() and int(part) > 0 for part in parts):
        return [int(part) for part in parts]
    raise GroupsError(f"no groups {words!r}; there are: {GROUPS}")


def _columns(words: str, card: "Card", size: int) -> Mapping[str, list[int]] | None:
    """`NAME=COL+COL,...` with a column's number or its name in the card; None for all of them."""
    if card.names and len(card.names) != size:
        raise CardError(f"the card names {len(card.names)} inputs, the network has {size}")
    if not words:
        return {name: [k] for k, name in enumerate(card.names)} or None
    found: dict[str, list[int]] = {}
    for part in words.split(","):
        name, separator, listed = part.partition("=")
        columns = (listed if separator else name).split("+")
        found[name.strip()] = [_column(column.strip(), card, size) for column in columns]
    return found


def _column(word: str, card: "Card", size: int) -> int:
    if word in card.names:
        return card.names.index(word)
    if word.isdecimal() and int(word) < size:
        return int(word)
    known = f": {', '.join(card.names)}" if card.names else ""
    raise GroupsError(f"no column {word!r}; give 0 to {size - 1}, or a name of the card{known}")
