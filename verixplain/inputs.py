"""Input files: `PATH[:KEY][#I | #I:J]`, read into arrays that fit one network.

Numbers are in the model's units or raw, and there is one rule: pictures and arrays of integers
are raw and are converted by the model's card, arrays of floating numbers are in the model's units
already, unless the caller says otherwise.
"""

import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from verixplain.errors import CardError, GroupsError, InputError
from verixplain.features import Plane, plane

if TYPE_CHECKING:
    from verixplain.network.card import Card

PICTURES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
DEFAULT_KEYS = ("inputs", "images", "x")
"""Of an .npz, looked for in any case, where it has several arrays and none is asked for."""

_PICTURE_MODES = {"1", "L", "P", "PA", "LA", "RGB", "RGBA"}


@dataclass(frozen=True)
class Address:
    """What `PATH[:KEY][#I | #I:J]` says; `stop` is not included, like in a Python slice."""

    path: Path
    key: str | None = None
    start: int | None = None
    stop: int | None = None
    one: bool = False

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Take `text` apart; a path that exists as it stands wins over a key."""
        start = stop = None
        one = False
        where = text
        if not _exists(text) and (found := re.search(r"#(-?\d+)(:(-?\d+)?)?$", text)):
            where, start = text[: found.start()], int(found[1])
            one = found[2] is None
            stop = start + 1 if one else (int(found[3]) if found[3] else None)
            if start < 0 or (stop is not None and stop <= start):
                raise InputError(
                    f"{text!r} asks for no input; #I is one (counted from 0), #I:J is I to J-1"
                )
        key = None
        if not _exists(where) and ":" in where:
            path, _, key = where.rpartition(":")
            if _exists(path) or not Path(key).suffix:
                where = path
            else:
                key = None
        if not where:
            raise InputError(f"{text!r} has no path; an input is PATH[:KEY][#I | #I:J]")
        return cls(Path(where), key, start, stop, one)


@dataclass(frozen=True, eq=False)
class Input:
    """One input as the network takes it.

    Args:
        values: in the network's shape and dtype, in the model's units.
        index: its number in the file, or None where the file holds one.
        label: the class it is said to have, where the file says so.
        units: what the file held, `model` or `raw`.
        source: where it comes from, in words.
    """

    values: np.ndarray
    index: int | None
    label: int | None
    units: str
    source: str


class InputFile:
    """The inputs that an address names; each is checked and converted when it is read.

    Args:
        text: `PATH[:KEY][#I | #I:J]`.
        shape: of one input of the network, without the batch.
        dtype: numpy type of the network's input.
        card: layout, and how raw numbers become the model's units.
        raw: whether numbers are raw; None decides by their type (see the module).

    Raises:
        InputError: no such file, key or index, not numbers, or no input of this network.
    """

    def __init__(
        self,
        text: str,
        shape: tuple[int, ...],
        dtype: type,
        card: "Card",
        raw: bool | None = None,
    ) -> None:
        self.text, self.shape, self.dtype, self.card = text, tuple(shape), dtype, card
        self.address = Address.parse(text)
        self._layout = card.layout
        labels = None
        if self.address.path.suffix.lower() in PICTURES:
            array = _picture(self.address, self._plane())
            self.key = None
        else:
            array, self.key, labels = _arrays(self.address)
        _check_numeric(array, text)
        self.units = "raw" if _is_raw(array, raw) else "model"
        self._array, several = self._batch(array)
        self._labels = _check_labels(labels, len(self._array), several, text)
        self.several = several
        self.indices = self._indices()

    def __len__(self) -> int:
        return len(self.indices)

    def read(self, index: int) -> Input:
        """Input number `index` of the file.

        Raises:
            InputError: it holds NaN or infinity, or does not fit the card.
        """
        if not 0 <= index < len(self._array):
            raise InputError(f"no input {index} in {self.text!r}; it has {len(self._array)}")
        source = f"{self.address.path.name}{f':{self.key}' if self.key else ''}"
        source += f"#{index}" if self.several else ""
        values = np.asarray(self._fit(np.asarray(self._array[index])), dtype=np.float64)
        if not np.isfinite(values).all():
            where = tuple(np.argwhere(~np.isfinite(values))[0].tolist())
            raise InputError(
                f"{source} is {values[where]} at {where}; every number of an input must be finite"
            )
        if self.units == "raw":
            try:
                values = self.card.to_model(values)
            except CardError as error:
                raise InputError(f"{source} cannot be converted by the card: {error}") from error
        with np.errstate(over="ignore"):
            stored = values.astype(self.dtype)
        if not np.isfinite(stored).all():
            raise InputError(
                f"{source} has numbers too large for the model's input type "
                f"{np.dtype(self.dtype).name}"
            )
        label = None if self._labels is None else int(self._labels[index])
        return Input(stored, index if self.several else None, label, self.units, source)

    def _plane(self) -> Plane:
        try:
            return plane(self.shape, self._layout)
        except GroupsError as error:
            raise InputError(f"{self.text!r} is an image, but {error}") from error

    def _indices(self) -> range:
        count, address = len(self._array), self.address
        if address.start is None:
            return range(count)
        stop = count if address.stop is None else address.stop
        if address.start >= count or stop > count:
            asked = f"#{address.start}" if address.one else f"#{address.start}:{stop}"
            raise InputError(
                f"{asked} asks for more than {str(address.path)!r} holds: it has {count} "
                f"input{'s' if count != 1 else ''}, 0 to {count - 1}"
            )
        return range(address.start, stop)

    def _batch(self, array: np.ndarray) -> tuple[np.ndarray, bool]:
        """The array with a batch dimension, and whether it had one."""
        batched = array.ndim >= 1 and self._fits(array.shape[1:])
        if self._fits(array.shape) and not (batched and self.address.start is not None):
            return array[None], False
        if batched:
            if not len(array):
                raise InputError(f"{self.text!r} is empty: its shape is {array.shape}")
            return array, True
        raise InputError(self._misfit(array.shape))

    def _fits(self, found: tuple[int, ...]) -> bool:
        """Whether an array of this shape can be one input."""
        if _core(found) == _core(self.shape):
            return True
        try:
            image = plane(self.shape, self._layout)
        except GroupsError:
            return False
        return _as_image(found, image) is not None

    def _fit(self, one: np.ndarray) -> np.ndarray:
        """One input in the network's shape; its numbers are only moved."""
        if one.shape == self.shape:
            return one
        image = None
        try:
            image = plane(self.shape, self._layout)
            order = _as_image(one.shape, image)
        except GroupsError:
            order = None
        if image is None or order is None:  # only dimensions of one differ
            return one.reshape(self.shape)
        pixels = one.reshape(order[0]).transpose(order[1])
        laid = np.empty(int(np.prod(self.shape)), dtype=one.dtype)
        laid[image.pixels.ravel()] = pixels.ravel()
        return laid.reshape(self.shape)

    def _misfit(self, found: tuple[int, ...]) -> str:
        hint = "give the layout (--layout) if these are images"
        try:
            image = plane(self.shape, self._layout)
            channels = image.pixels.shape[1]
            hint = f"images are {image.rows}x{image.columns} with {channels} channel(s)"
        except GroupsError:
            pass
        return (
            f"{self.text!r} has shape {found}; the network takes {self.shape}, so expected is that "
            f"or (number of inputs, {', '.join(map(str, self.shape))}); {hint}"
        )


def arrays(path: Path) -> dict[str, np.ndarray]:
    """Every array of numbers in an .npz.

    Raises:
        InputError: no such file, or not one.
    """
    found = {}
    with _reading(path), np.load(path, allow_pickle=False) as archive:
        for key in archive.files:
            if archive[key].dtype.kind in "fiub":
                found[key] = archive[key]
    return found


def array(text: str) -> np.ndarray:
    """The array that `PATH[:KEY]` names, whatever its shape.

    Raises:
        InputError: no such file or key, or not numbers.
    """
    found, _, _ = _arrays(Address.parse(text))
    _check_numeric(found, text)
    return found


def _exists(path: str | Path) -> bool:
    """Whether there is such a file; a name no system can have is none."""
    try:
        return Path(path).exists()
    except (OSError, ValueError):
        return False


def _core(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape without its dimensions of one."""
    return tuple(n for n in shape if n != 1)


def _as_image(
    found: tuple[int, ...], image: Plane
) -> tuple[tuple[int, int, int], tuple[int, int, int]] | None:
    """How an array of this shape is the image: its shape with channels, and the way to HWC."""
    rows, columns, channels = image.rows, image.columns, image.pixels.shape[1]
    if (
        found in ((rows, columns, channels), (rows, columns))
        and np.prod(found) == image.pixels.size
    ):
        return (rows, columns, channels), (0, 1, 2)
    if found == (channels, rows, columns):
        return (channels, rows, columns), (1, 2, 0)
    return None


def _is_raw(array: np.ndarray, raw: bool | None) -> bool:
    if raw is not None:
        return raw
    return not np.issubdtype(array.dtype, np.floating)


def _check_numeric(array: np.ndarray, text: str) -> None:
    kinds = (np.floating, np.integer, np.bool_)
    if not any(np.issubdtype(array.dtype, kind) for kind in kinds):
        raise InputError(
            f"{text!r} holds {array.dtype}, not numbers; save it as floats or integers"
        )


def _check_labels(
    labels: np.ndarray | None, count: int, several: bool, text: str
) -> np.ndarray | None:
    """Class numbers, one an input; labels that are no whole numbers are nobody's class."""
    if labels is None or not np.issubdtype(labels.dtype, np.integer):
        return None
    if labels.ndim == 0 and not several:
        return labels[None]
    if labels.shape != (count,):
        raise InputError(
            f"{text!r}: the key 'labels' has shape {labels.shape}, expected is ({count},), "
            "one label an input"
        )
    return labels


def _arrays(address: Address) -> tuple[np.ndarray, str | None, np.ndarray | None]:
    """The array an address names in an .npy or .npz, its key, and the labels beside it."""
    path, name = address.path, str(address.path)
    with _reading(path):
        if path.suffix.lower() == ".npy":
            if address.key is not None:
                raise InputError(f"{name!r} is one array without keys; leave out :{address.key}")
            return np.load(path, mmap_mode="r", allow_pickle=False), None, None
        with np.load(path, allow_pickle=False) as archive:
            key = _key(archive.files, address)
            labels = archive["labels"] if "labels" in archive.files and key != "labels" else None
            return archive[key], key, labels


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Say in our words what numpy finds wrong with a file."""
    name = str(path)
    if not _exists(path):
        raise InputError(f"no file {name!r}; an input is PATH[:KEY][#I | #I:J]")
    if path.suffix.lower() not in (".npy", ".npz"):
        kinds = ", ".join([".npy", ".npz", *PICTURES])
        raise InputError(f"{name!r} is of no kind that can be read; there are: {kinds}")
    try:
        yield
    except (
        ValueError, EOFError, OSError, KeyError, MemoryError, zipfile.BadZipFile, zlib.error
    ) as error:  # fmt: skip
        words = str(error) or type(error).__name__
        if "pickle" in words.lower() or "Python objects" in words:
            words = "it holds Python objects or is no numpy file; pickles are never opened"
        raise InputError(f"cannot read {name!r}: {words}") from error


def _key(keys: list[str], address: Address) -> str:
    """The key asked for, or the one that is meant where none is."""
    listed = ", ".join(keys) or "none"
    if address.key is not None:
        if address.key not in keys:
            raise InputError(f"no key {address.key!r} in {str(address.path)!r}; it has: {listed}")
        return address.key
    data = [key for key in keys if key != "labels"]
    usual = [key for key in data if key.lower() in DEFAULT_KEYS]
    for chosen in (data, usual):
        if len(chosen) == 1:
            return chosen[0]
    raise InputError(
        f"{str(address.path)!r} has several arrays; say which one as PATH:KEY. It has: {listed}"
    )


def _picture(address: Address, image: Plane) -> np.ndarray:
    """A PNG or JPEG as bytes, (rows, columns, channels), grey or colour as the network takes it."""
    from PIL import Image, UnidentifiedImageError

    path, name = address.path, str(address.path)
    if address.key is not None:
        raise InputError(f"{name!r} is a picture and has no keys; leave out :{address.key}")
    channels = image.pixels.shape[1]
    if channels not in (1, 3):
        raise InputError(
            f"{name!r} is a picture, but the network takes {channels} channels, not 1 or 3; "
            "give an .npy or .npz"
        )
    try:
        with Image.open(path, formats=["PNG", "JPEG"]) as picture:
            if picture.size != (image.columns, image.rows):
                raise InputError(
                    f"{name!r} is {picture.size[1]} rows by {picture.size[0]} columns; the network "
                    f"takes {image.rows} by {image.columns}; resize or crop it first"
                )
            if picture.mode not in _PICTURE_MODES:
                raise InputError(
                    f"{name!r} is stored as {picture.mode!r}; 8-bit grey or RGB is expected"
                )
            colour = picture.convert("RGBA")
            if np.asarray(colour)[..., 3].min() < 255:
                raise InputError(
                    f"{name!r} is partly transparent; put it on a background and save it again"
                )
            picture = colour.convert("RGB")
            grey = picture.convert("L") if channels == 1 else None
            return np.asarray(grey if grey is not None else picture).reshape(
                image.rows, image.columns, channels
            )
    except FileNotFoundError as error:
        raise InputError(f"no file {name!r}; an input is PATH[:KEY][#I | #I:J]") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise InputError(f"cannot read {name!r} as PNG or JPEG: {error}") from error
