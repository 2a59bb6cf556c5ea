"""What is asked: a network, a box around an input, a target, and the groups."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from verixplain.errors import NotFiniteError, RegionError, TargetError
from verixplain.features import Groups
from verixplain.shapes import Features

if TYPE_CHECKING:
    from verixplain.network import Network


@dataclass(frozen=True, eq=False)
class Box:
    """The inputs under consideration: everything between `lower` and `upper`, ends included.

    All three arrays have the input's shape (no batch) and the model's input units, stored as
    float64; the box is exactly the product of the stored intervals.

    Args:
        center, lower, upper: the input, and the ends of every interval.
        radius: how far inputs move, where the box was made from it and then cut.
        clip: the data range that it was cut with.

    Raises:
        RegionError: shapes differ, ends are out of order, or the center lies outside.
        NotFiniteError: an end or the center is NaN or infinite.
    """

    center: Features
    lower: Features
    upper: Features
    radius: Features | None = None
    clip: tuple[Features, Features] | None = None

    def __post_init__(self) -> None:
        for name in ("center", "lower", "upper"):
            array = np.array(getattr(self, name), dtype=np.float64)
            array.setflags(write=False)
            object.__setattr__(self, name, array)
            if array.shape != self.center.shape:
                raise RegionError(f"{name} is {array.shape} but center is {self.center.shape}")
            if not np.isfinite(array).all():
                where = np.argwhere(~np.isfinite(array))[0]
                raise NotFiniteError(f"{name} is not finite, first at {tuple(where.tolist())}")
        inside = (self.lower <= self.center) & (self.center <= self.upper)
        if not inside.all():
            where = tuple(np.argwhere(~inside)[0].tolist())
            raise RegionError(
                f"the center must lie in its box, but at {where} it is {self.center[where]:.9g} "
                f"and the box is [{self.lower[where]:.9g}, {self.upper[where]:.9g}]; "
                "is the data range (--clip) that of the model's own input units?"
            )

    @classmethod
    def around(
        cls,
        center: Features,
        radius: float | Features,
        clip: tuple[float | Features, float | Features] | None = None,
    ) -> "Box":
        """An L-infinity ball (epsilon in the paper), cut with the data range.

        Args:
            center: the input, in the model's units.
            radius: one number, or one per feature (any shape that broadcasts); not negative.
            clip: smallest and largest value of the data range, each one number or per feature.
        """
        center = np.asarray(center, dtype=np.float64)
        radius = np.asarray(radius, dtype=np.float64)
        if not (radius >= 0).all():
            raise RegionError(f"the radius must not be negative or NaN, but is {radius.min()}")
        try:
            lower, upper = center - radius, center + radius
            ends = None
            if clip is not None:
                ends = np.asarray(clip[0], np.float64), np.asarray(clip[1], np.float64)
                lower, upper = np.maximum(lower, ends[0]), np.minimum(upper, ends[1])
        except ValueError as error:
            raise RegionError(
                f"radius {radius.shape} or clip does not broadcast to the input {center.shape}"
            ) from error
        return cls(center, lower, upper, radius, ends)

    def freeze(self, members: np.ndarray) -> "Box":
        """The box with the flattened inputs `members` held at the center: `B_u`."""
        lower, upper = self.lower.copy(), self.upper.copy()
        lower.flat[members] = self.center.flat[members]
        upper.flat[members] = self.center.flat[members]
        return Box(self.center, lower, upper)

    def contains(self, point: Features) -> bool:
        """Whether `point` lies in the box, tested exactly on the stored numbers."""
        return bool(((self.lower <= point) & (point <= self.upper)).all())


@dataclass(frozen=True)
class Target:
    """What is explained, as rows `g_r(z) = coefficients_r . f(z) + offset_r`; g is the largest row.

    `g < 0` means that the decision stands. Make one with `label`, `pair` or `rows`.
    """

    kind: str
    label_index: int | None = None
    other_index: int | None = None
    smallest_wins: bool = False
    coefficients: tuple[tuple[float, ...], ...] = ()
    offsets: tuple[float, ...] = ()

    @classmethod
    def label(cls, label: int, smallest_wins: bool = False) -> "Target":
        """Class `label` against every other class (untargeted): one row per other class."""
        return cls("label", label_index=int(label), smallest_wins=smallest_wins)

    @classmethod
    def pair(cls, label: int, other: int, smallest_wins: bool = False) -> "Target":
        """Class `label` against class `other` alone (targeted): one row."""
        if label == other:
            raise TargetError(f"a pair needs two classes, but both are {label}")
        return cls(
            "pair", label_index=int(label), other_index=int(other), smallest_wins=smallest_wins
        )

    @classmethod
    def rows(cls, coefficients: np.ndarray, offsets: np.ndarray | None = None) -> "Target":
        """Any rows: `coefficients` (rows, outputs) and `offsets` (rows,), `g_r = C_r . f + d_r`."""
        matrix = np.atleast_2d(np.asarray(coefficients, dtype=np.float64))
        vector = np.zeros(len(matrix)) if offsets is None else np.asarray(offsets, np.float64)
        if matrix.ndim != 2 or vector.shape != (len(matrix),) or not len(matrix):
            raise TargetError(f"rows are {matrix.shape} and offsets {vector.shape}")
        if not (np.isfinite(matrix).all() and np.isfinite(vector).all()):
            raise NotFiniteError("a row or offset of the target is not finite")
        return cls(
            "rows",
            coefficients=tuple(map(tuple, matrix.tolist())),
            offsets=tuple(vector.tolist()),
        )

    def matrix(self, outputs: int) -> tuple[np.ndarray, np.ndarray]:
        """The rows for `outputs` numbers: coefficients (rows, outputs), offsets (rows,).

        Raises:
            TargetError: the network does not have such an output.
        """
        if self.kind == "rows":
            matrix = np.array(self.coefficients)
            if matrix.shape[1] != outputs:
                raise TargetError(
                    f"rows have {matrix.shape[1]} numbers, the network has {outputs} outputs"
                )
            return matrix, np.array(self.offsets)
        for index in (self.label_index, self.other_index):
            if index is not None and not 0 <= index < outputs:
                raise TargetError(
                    f"no class {index}; the network has {outputs} (0 to {outputs - 1})"
                )
        if outputs < 2:
            raise TargetError(
                "the network has one output, so no class can win; give rows with a threshold"
            )
        others = self._others(outputs)
        matrix = np.zeros((len(others), outputs))
        matrix[np.arange(len(others)), others] = 1.0
        matrix[:, self.label_index] = -1.0
        return (-matrix if self.smallest_wins else matrix), np.zeros(len(others))

    def in_words(self) -> str:
        """What `g < 0` says, and no more than that."""
        if self.kind == "rows":
            return f"all {len(self.coefficients)} rows stay below zero"
        against = "every other class" if self.other_index is None else f"class {self.other_index}"
        return f"class {self.label_index} stays ahead of {against}"

    def row_names(self, outputs: int) -> list[str]:
        """What each row is called in words."""
        if self.kind == "rows":
            return [f"row {number}" for number in range(len(self.coefficients))]
        return [f"class {other} over class {self.label_index}" for other in self._others(outputs)]

    def _others(self, outputs: int) -> list[int]:
        """The classes that the label is compared with."""
        if self.other_index is not None:
            return [self.other_index]
        return [k for k in range(outputs) if k != self.label_index]

    def to_dict(self) -> dict[str, Any]:
        """The target as the JSON has it."""
        if self.kind == "rows":
            return {
                "kind": "rows",
                "coefficients": [list(row) for row in self.coefficients],
                "offsets": list(self.offsets),
            }
        return {
            "kind": self.kind,
            "label": self.label_index,
            "other": self.other_index,
            "smallest_wins": self.smallest_wins,
        }


@dataclass(frozen=True, eq=False)
class Query:
    """One question: which groups drive `target` at the center of `box`?

    Raises:
        RegionError: the box does not have the network's input shape.
        TargetError: the network does not have the target's outputs.
        GroupsError: the groups were made for another input shape.
    """

    network: "Network"
    box: Box
    target: Target
    groups: Groups = field(default=None)  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.box.center.shape != self.network.input_shape:
            raise RegionError(
                f"the box is {self.box.center.shape}, the network's input is "
                f"{self.network.input_shape} (without the batch)"
            )
        stored = self.box.center.astype(self.network.input_dtype).astype(np.float64)
        if not (stored == self.box.center).all():
            raise RegionError(
                f"the center is not representable in the model's input type "
                f"{np.dtype(self.network.input_dtype).name}, so the model cannot be run on it; "
                "convert the input before making the box"
            )
        self.target.matrix(self.network.outputs)
        if self.groups is None:  # pyright: ignore[reportUnnecessaryComparison]
            object.__setattr__(self, "groups", Groups.columns(self.box.center.shape))
        self.groups.check_fits(self.box.center.shape)
