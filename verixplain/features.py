"""Which inputs move together: feature groups."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from verixplain.errors import GroupsError, MissingDependencyError, SettingError

LAYOUTS = ("nchw", "nhwc", "hw", "flat", "vec")
"""Where rows, columns and channels stand in one input (its shape has no batch)."""


@dataclass(frozen=True)
class Plane:
    """How an input is an image: `rows` x `columns` pixels, and the flat inputs of each pixel.

    `pixels` is (rows * columns, channels): the flattened input indices of every pixel.
    """

    rows: int
    columns: int
    pixels: np.ndarray


def plane(shape: Sequence[int], layout: str | None) -> Plane:
    """The image in an input of `shape`.

    Args:
        shape: the input's shape, without the batch.
        layout: one of `LAYOUTS`, or None to tell it from the shape where only one reading is
            possible. `flat` is one channel, row by row, of a square image.

    Raises:
        GroupsError: the shape is no image in this layout.
    """
    shape = tuple(int(n) for n in shape)
    if layout is not None and layout not in LAYOUTS:
        raise SettingError(f"no layout {layout!r}; there are: {', '.join(LAYOUTS)}")
    layout = layout or guess_layout(shape)
    indices = np.arange(int(np.prod(shape))).reshape(shape)
    if layout == "nchw" and len(shape) == 3:
        image = indices.transpose(1, 2, 0)
    elif layout == "nhwc" and len(shape) == 3:
        image = indices
    elif layout in ("hw", "nchw", "nhwc") and len(shape) == 2:
        image = indices[..., None]
    elif layout == "flat":
        side = round(indices.size**0.5)
        if side * side != indices.size:
            raise GroupsError(f"{indices.size} flat inputs are no square image")
        image = indices.reshape(side, side, 1)
    else:
        raise GroupsError(f"an input of shape {shape} is no image in layout {layout!r}")
    rows, columns, channels = image.shape
    return Plane(rows, columns, image.reshape(rows * columns, channels))


def guess_layout(shape: tuple[int, ...]) -> str:
    """The only sensible layout of `shape`, else an error that asks for one."""
    if len(shape) == 2 and min(shape) > 1:
        return "hw"
    if len(shape) == 3 and min(shape[1:]) > 4 >= shape[0]:
        return "nchw"
    if len(shape) == 3 and min(shape[:2]) > 4 >= shape[2]:
        return "nhwc"
    raise GroupsError(
        f"cannot tell rows and columns of an input of shape {shape}; "
        f"say the layout (--layout, or layout in the model's card): {', '.join(LAYOUTS)}"
    )


@dataclass(frozen=True, eq=False)
class Groups:
    """Sets of inputs of one network; they may overlap, nest, or leave inputs out.

    Args:
        shape: the input's shape, without the batch.
        members: one array of flattened input indices per group, each sorted and without repeats.
        names: one name per group.
        kind: how they were made, for the record.
        plane: rows and columns, where the input is an image.
    """

    shape: tuple[int, ...]
    members: tuple[np.ndarray, ...]
    names: tuple[str, ...]
    kind: str = "custom"
    plane: Plane | None = None

    def __post_init__(self) -> None:
        size = int(np.prod(self.shape))
        if not self.members:
            raise GroupsError("there is no group")
        if len(self.names) != len(self.members):
            raise GroupsError(f"{len(self.members)} groups but {len(self.names)} names")
        tidy = []
        for name, group in zip(self.names, self.members, strict=True):
            indices = np.unique(np.asarray(group, dtype=np.int64))
            if indices.size and not (indices[0] >= 0 and indices[-1] < size):
                raise GroupsError(
                    f"group {name!r} names input {indices[0] if indices[0] < 0 else indices[-1]}; "
                    f"the network has {size} inputs"
                )
            indices.setflags(write=False)
            tidy.append(indices)
        object.__setattr__(self, "members", tuple(tidy))

    def __len__(self) -> int:
        return len(self.members)

    @classmethod
    def pixels(cls, shape: Sequence[int], layout: str | None = None) -> "Groups":
        """One group a pixel, all its channels together."""
        image = plane(shape, layout)
        names = [f"{r},{c}" for r in range(image.rows) for c in range(image.columns)]
        return cls(tuple(shape), tuple(image.pixels), tuple(names), "pixels", image)

    @classmethod
    def grid(
        cls, shape: Sequence[int], rows: int, columns: int, layout: str | None = None
    ) -> "Groups":
        """`rows` x `columns` patches, as equal as can be where they do not divide the image."""
        image = plane(shape, layout)
        if not (1 <= rows <= image.rows and 1 <= columns <= image.columns):
            raise GroupsError(
                f"a grid of {rows}x{columns} does not fit an image of {image.rows}x{image.columns}"
            )
        row = np.arange(image.rows) * rows // image.rows
        column = np.arange(image.columns) * columns // image.columns
        labels = (row[:, None] * columns + column[None]).ravel()
        names = [f"{r},{c}" for r in range(rows) for c in range(columns)]
        members = [image.pixels[labels == k].ravel() for k in range(rows * columns)]
        return cls(tuple(shape), tuple(members), tuple(names), f"grid:{rows}x{columns}", image)

    @classmethod
    def columns(
        cls, shape: Sequence[int], named: Mapping[str, Sequence[int]] | None = None
    ) -> "Groups":
        """One group a number of the input, or the named sets of columns (a one-hot block, say)."""
        size = int(np.prod(shape))
        if named is None:
            return cls(
                tuple(shape),
                tuple(np.array([i]) for i in range(size)),
                tuple(str(i) for i in range(size)),
                "columns",
            )
        return cls(
            tuple(shape),
            tuple(np.asarray(list(indices)) for indices in named.values()),
            tuple(named),
            "columns",
        )

    @classmethod
    def labels(
        cls,
        shape: Sequence[int],
        labels: np.ndarray,
        layout: str | None = None,
        kind: str = "labels",
    ) -> "Groups":
        """From an integer map: inputs (or pixels) of one number are one group; negative is none.

        Args:
            shape: the input's shape, without the batch.
            labels: integers in the input's shape, or one per pixel (rows, columns).
            layout: needed for a map of pixels whose input's layout is not plain.
            kind: how the map was made, for the record.
        """
        labels = np.asarray(labels)
        if not np.issubdtype(labels.dtype, np.integer):
            raise GroupsError(f"a label map holds integers, not {labels.dtype}")
        shape = tuple(shape)
        image = None
        if labels.shape == shape:
            flat, places = labels.ravel(), np.arange(labels.size)[:, None]
        else:
            image = plane(shape, layout)
            if labels.shape != (image.rows, image.columns):
                raise GroupsError(
                    f"a label map of shape {labels.shape} fits neither the input {shape} nor its "
                    f"{image.rows}x{image.columns} pixels"
                )
            flat, places = labels.ravel(), image.pixels
        numbers = [int(n) for n in np.unique(flat) if n >= 0]
        if not numbers:
            raise GroupsError("the label map has no number that is not negative, so no group")
        members = tuple(places[flat == n].ravel() for n in numbers)
        return cls(shape, members, tuple(str(n) for n in numbers), kind, image)

    @classmethod
    def superpixels(cls, image: np.ndarray, count: int, layout: str | None = None) -> "Groups":
        """About `count` superpixels of the input itself (SLIC of scikit-image).

        Args:
            image: the input, in its own shape; only differences of its values matter.
            count: how many superpixels are wanted; SLIC may give fewer.
            layout: see `plane`.
        """
        try:
            from skimage.segmentation import slic
        except ImportError:
            raise MissingDependencyError(
                "superpixels need scikit-image: pip install 'verixplain[superpixels]'"
            ) from None
        shape = np.shape(image)
        found = plane(shape, layout)
        pixels = np.asarray(image, dtype=np.float64).ravel()[found.pixels]
        low, high = pixels.min(), pixels.max()
        pixels = (pixels - low) / (high - low) if high > low else pixels * 0
        picture = pixels.reshape(found.rows, found.columns, -1)
        labels = slic(picture, n_segments=count, start_label=0, channel_axis=-1, compactness=0.1)
        return cls.labels(shape, labels, layout, kind=f"superpixels:{count}")

    def check_fits(self, shape: Sequence[int]) -> None:
        """Refuse an input of another shape."""
        if tuple(shape) != tuple(self.shape):
            raise GroupsError(f"groups were made for inputs of {self.shape}, not {tuple(shape)}")

    def memberships(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """0/1 rows of the groups `start` to `stop`: (groups, inputs), bool."""
        chosen = self.members[start:stop]
        table = np.zeros((len(chosen), int(np.prod(self.shape))), dtype=bool)
        for row, group in zip(table, chosen, strict=True):
            row[group] = True
        return table

    def spread(self, values: np.ndarray) -> np.ndarray:
        """One number a group, laid out in the input's shape.

        Where groups overlap the largest stands; inputs of no group are NaN.
        """
        laid = np.full(int(np.prod(self.shape)), np.nan)
        for value, group in zip(np.asarray(values, dtype=np.float64), self.members, strict=True):
            laid[group] = np.fmax(laid[group], value)
        return laid.reshape(self.shape)

    def label_map(self) -> np.ndarray:
        """The number of the last group each input is in, -1 for none, in the input's shape."""
        laid = np.full(int(np.prod(self.shape)), -1, dtype=np.int64)
        for number, group in enumerate(self.members):
            laid[group] = number
        return laid.reshape(self.shape)
