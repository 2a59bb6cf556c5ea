"""The model's card: units, layout and names, in a TOML file beside the model."""

import tomllib
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from verixplain.errors import CardError

KINDS = ("classes", "scores-min", "value")


@dataclass(frozen=True)
class Card:
    """What a model's file does not say.

    The model's input is `(raw * scale - mean) / std`, channel by channel; every key is also a
    flag of the commands.

    Args:
        layout: where rows, columns and channels stand: nchw, nhwc, hw, flat, vec.
        scale: what raw values are multiplied with first (1/255 for bytes).
        mean, std: one number, or one per channel.
        range: smallest and largest raw value, after `scale`; the data range.
        units: what the raw input is measured in, in words.
        names: of the inputs of a table, in order.
        kind: `classes` (the largest output wins), `scores-min` (the smallest), or `value`.
        labels: names of the outputs.
        provenance: anything about where the model comes from.
    """

    layout: str | None = None
    scale: float = 1.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    range: tuple[float, float] | None = None
    units: str = ""
    names: tuple[str, ...] = ()
    kind: str = "classes"
    labels: tuple[str, ...] = ()
    provenance: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        from verixplain.features import LAYOUTS

        if self.layout is not None and self.layout not in LAYOUTS:
            raise CardError(f"layout is {self.layout!r}; there are: {', '.join(LAYOUTS)}")
        if self.kind not in KINDS:
            raise CardError(f"output kind is {self.kind!r}; there are: {', '.join(KINDS)}")
        numbers = [self.scale, *self.mean, *self.std, *(self.range or ())]
        if not np.isfinite(numbers).all():
            raise CardError("scale, mean, std and range must be finite numbers")
        if not (self.scale > 0 and all(s > 0 for s in self.std)):
            raise CardError(f"scale ({self.scale}) and std ({self.std}) must be positive")
        if self.range is not None and not self.range[0] < self.range[1]:
            raise CardError(f"range {self.range} is empty")

    @classmethod
    def read(cls, path: str | Path) -> "Card":
        """Read a card; unknown keys are refused by name."""
        try:
            data = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise CardError(f"cannot read the card {str(path)!r}: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise CardError(f"the card {str(path)!r} is not TOML: {error}") from error
        try:
            return cls._from(data)
        except CardError as error:
            raise CardError(f"card {str(path)!r}: {error}") from error

    @classmethod
    def _from(cls, data: dict[str, Any]) -> "Card":
        known = {
            "input": {"layout", "scale", "mean", "std", "range", "units", "names"},
            "output": {"kind", "names"},
        }
        settings: dict[str, Any] = {}
        for section, content in data.items():
            if section == "provenance":
                settings["provenance"] = content
                continue
            if section not in known or not isinstance(content, dict):
                raise CardError(f"no section [{section}]; there are: input, output, provenance")
            for key, value in content.items():
                if key not in known[section]:
                    listed = ", ".join(sorted(known[section]))
                    raise CardError(f"no key {key!r} in [{section}]; there are: {listed}")
                target = "labels" if (section, key) == ("output", "names") else key
                settings[target] = value
        return cls().with_settings(**settings)

    @classmethod
    def beside(cls, path: Path | None) -> "Card":
        """The card at `path`, or an empty one where there is no such file."""
        return cls.read(path) if path is not None and path.is_file() else cls()

    def with_settings(self, **settings: Any) -> "Card":
        """This card with some values replaced; None leaves one as it is."""
        clean: dict[str, Any] = {}
        for name, value in settings.items():
            if value is None:
                continue
            try:
                clean[name] = _convert(name, value)
            except (TypeError, ValueError) as error:
                raise CardError(f"{name} cannot be {value!r}") from error
        return replace(self, **clean)

    def to_dict(self) -> dict[str, Any]:
        """The card as the JSON has it."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def per_feature(self, values: tuple[float, ...], shape: tuple[int, ...]) -> np.ndarray:
        """One number, or one per channel, laid out so that it broadcasts to an input of `shape`.

        Raises:
            CardError: as many numbers as neither channels nor one.
        """
        if len(values) == 1:
            return np.array(values[0])
        axis = {"nchw": 0, "nhwc": -1, "vec": -1}.get(self.layout or "nchw")
        if axis is None or not shape or shape[axis] != len(values):
            raise CardError(
                f"{len(values)} values per channel do not fit an input of shape {shape} "
                f"in layout {self.layout!r}"
            )
        places = [1] * len(shape)
        places[axis] = len(values)
        return np.array(values).reshape(places)

    def to_model(self, raw: np.ndarray) -> np.ndarray:
        """Raw values in the model's units, in float64; `raw` has one input's shape."""
        shape = np.shape(raw)
        mean, std = self.per_feature(self.mean, shape), self.per_feature(self.std, shape)
        return (np.asarray(raw, dtype=np.float64) * self.scale - mean) / std

    def radius(self, raw: float | np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """A radius in scaled raw units (those of `range`) as one in the model's units."""
        return np.asarray(raw, dtype=np.float64) / self.per_feature(self.std, shape)

    def clip(self, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray] | None:
        """The data range in the model's units, or None where the card has none."""
        if self.range is None:
            return None
        mean, std = self.per_feature(self.mean, shape), self.per_feature(self.std, shape)
        return (self.range[0] - mean) / std, (self.range[1] - mean) / std


def _convert(name: str, value: Any) -> Any:
    """A TOML or command-line value in the type its field has."""
    if name in ("mean", "std"):
        return tuple(float(v) for v in (value if isinstance(value, (list, tuple)) else [value]))
    if name == "range":
        low, high = value
        return float(low), float(high)
    if name in ("names", "labels"):
        return tuple(str(v) for v in value)
    if name == "scale":
        return float(value)
    if name == "provenance":
        return dict(value)
    return str(value)
