"""The inputs a job names: what an input's address can be, and tables and folders of pictures."""

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from verixplain.errors import InputError
from verixplain.inputs import PICTURES, Input, InputFile

if TYPE_CHECKING:
    from verixplain.network import Network


class Inputs(Protocol):
    """Inputs that are read one by one."""

    @property
    def indices(self) -> Sequence[int]: ...

    def read(self, index: int) -> Input:
        """Input number `index`; InputError where it is not one."""
        ...


def inputs(address: str, network: "Network", raw: bool | None) -> Inputs:
    """The inputs at an address.

    Raises:
        InputError: nothing there is an input of this network.
    """
    path, part = _parted(address)
    if path.suffix.lower() == ".csv" and path.is_file():
        return Table(path, part, network, raw)
    if path.is_dir():
        return Folder(path, part, network, raw)
    return InputFile(address, network.input_shape, network.input_dtype, network.card, raw)


def asked(address: str) -> list[int | None]:
    """The input numbers that the address itself says; [None] where it says none.

    What is planned where the model cannot be loaded, so nobody knows what the file holds.
    """
    found = re.search(r"#(\d+)(:(\d+)?)?$", address)
    if found is None or (found[2] is not None and found[3] is None):
        return [None]
    start = int(found[1])
    return list(range(start, int(found[3]) if found[3] else start + 1)) or [None]


def _parted(address: str) -> tuple[Path, slice | None]:
    """The path, and the part after `#`."""
    found = re.search(r"#(\d+)(:(\d+)?)?$", address)
    if found is None or Path(address).exists():
        return Path(address), None
    start = int(found[1])
    stop = start + 1 if found[2] is None else (int(found[3]) if found[3] else None)
    return Path(address[: found.start()]), slice(start, stop)


class Table:
    """A .csv of numbers, an input a line; a first line of words is its head.

    A column called `label` or `labels` is the class; every other column is a number of the input.
    """

    def __init__(
        self, path: Path, part: slice | None, network: "Network", raw: bool | None
    ) -> None:
        try:
            with path.open(newline="", encoding="utf-8") as file:
                lines = [line for line in csv.reader(file) if line]
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise InputError(f"cannot read {str(path)!r}: {error}") from error
        head: list[str] = []
        if lines and not all(map(_is_number, lines[0])):
            head, lines = [cell.strip().lower() for cell in lines[0]], lines[1:]
        places = [k for k, name in enumerate(head) if name in ("label", "labels")]
        self.label = places[0] if places else None
        self.path, self.lines, self.network, self.raw = path, lines, network, raw
        self.indices = _indices(len(lines), part, path)

    def read(self, index: int) -> Input:
        cells = list(self.lines[index])
        try:
            label = None if self.label is None else int(float(cells.pop(self.label)))
            values = np.array([float(cell) for cell in cells])
        except (ValueError, IndexError) as error:
            raise InputError(f"{self.path.name}#{index} is no line of numbers: {error}") from error
        shape, network = self.network.input_shape, self.network
        if values.size != int(np.prod(shape)):
            raise InputError(
                f"{self.path.name}#{index} has {values.size} numbers; the network takes "
                f"{int(np.prod(shape))}"
            )
        if not np.isfinite(values).all():
            raise InputError(f"{self.path.name}#{index} is not finite everywhere")
        values = values.reshape(shape)
        if self.raw:
            values = network.card.to_model(values)
        source = f"{self.path.name}#{index}"
        units = "raw" if self.raw else "model"
        return Input(values.astype(network.input_dtype), index, label, units, source)


class Folder:
    """The pictures of a folder, by name."""

    def __init__(
        self, path: Path, part: slice | None, network: "Network", raw: bool | None
    ) -> None:
        self.paths = sorted(one for one in path.iterdir() if one.suffix.lower() in PICTURES)
        self.network, self.raw = network, raw
        self.indices = _indices(len(self.paths), part, path)

    def read(self, index: int) -> Input:
        network = self.network
        file = InputFile(
            str(self.paths[index]), network.input_shape, network.input_dtype, network.card, self.raw
        )
        one = file.read(file.indices[0])
        return Input(one.values, index, one.label, one.units, one.source)


def _indices(count: int, part: slice | None, path: Path) -> range:
    if not count:
        raise InputError(f"{str(path)!r} holds no input")
    if part is None:
        return range(count)
    stop = count if part.stop is None else part.stop
    if part.start >= count or stop > count:
        raise InputError(f"{str(path)!r} has {count} inputs, 0 to {count - 1}")
    return range(part.start, stop)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
