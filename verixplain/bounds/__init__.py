"""Sound bounds of margin rows over boxes, widened outward by a computed rounding allowance."""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
import psutil
import torch
from torch import Tensor

from verixplain.bounds import _lirpa
from verixplain.bounds.enclosure import Interval, enclose, rows_of
from verixplain.errors import BoundFailedError, OutOfMemoryError, SettingError
from verixplain.network import Network
from verixplain.network.primitives import Plan
from verixplain.query import Target
from verixplain.registry import bound_methods

DTYPES = {"float64": torch.float64, "float32": torch.float32}
Progress = Callable[[str, int, int], None]
"""Called with a stage, how much of it is done, and how much there is."""


@dataclass(frozen=True, eq=False)
class Bounds:
    """Bounds of every row over every box, true over the reals whatever was rounded on the way.

    Args:
        lower, upper: (batch, rows), float64.
        allowance: (rows,), by how much they were widened outward, at most over the batch.
    """

    lower: np.ndarray
    upper: np.ndarray
    allowance: np.ndarray

    @property
    def overlap_upper(self) -> np.ndarray:
        """Upper bounds of the largest row, (batch,): `U` of each box."""
        return self.upper.max(axis=1)

    def __post_init__(self) -> None:
        for name in ("lower", "upper"):
            if not np.isfinite(getattr(self, name)).all():
                raise BoundFailedError(f"the {name} bound is NaN or infinite")


@dataclass(frozen=True)
class Found:
    """What a method computed: rigorous bounds.

    Args:
        lower, upper: (batch, rows) of `coefficients . output`, without offsets.
        allowance: (batch, rows), the part of the upper bound that stands for rounding.
        values: rigorous bounds of the values that relaxations used, (batch, *shape) each.
    """

    lower: Tensor
    upper: Tensor
    allowance: Tensor
    values: Mapping[str, tuple[Tensor, Tensor]] = field(default_factory=dict)


@runtime_checkable
class BoundMethod(Protocol):
    """Bounds the rows of a network over boxes. Its settings are its own frozen fields."""

    def run(self, engine: "Engine", lower: Tensor, upper: Tensor, rows: Tensor) -> Found:
        """Bound `rows . output` over every box.

        Args:
            engine: the network, prepared for one precision and device.
            lower, upper: (batch, *input shape), in the engine's precision and device.
            rows: (rows, outputs), likewise.

        Raises:
            UnsupportedBoundError: the method cannot handle this network, by name.
        """
        ...


class Engine:
    """A network prepared for bounds in one precision, on one device; kept with the network.

    Attributes:
        exact: the plan in float64 on the device: enclosures and allowances come from it.
        plan: the plan in the working precision.
        widen: False leaves the rounding allowances out, for tests that show why they are there.
    """

    def __init__(self, network: Network, plan: Plan, dtype: torch.dtype, device: str) -> None:
        self.network, self.dtype, self.device = network, dtype, device
        self.exact = plan.to(torch.float64, device)
        self.plan = self.exact if dtype is torch.float64 else plan.to(dtype, device)
        self.widen = True
        self._graph: _lirpa.Graph | None = None

    @classmethod
    def of(cls, network: Network, dtype: str = "float64", device: str = "auto") -> "Engine":
        """The engine of a network; made once for every precision and device."""
        if dtype not in DTYPES:
            raise SettingError(f"no precision {dtype!r}; there are: {', '.join(DTYPES)}")
        if dtype == "float32" and network.input_dtype is not np.float32:
            raise SettingError("a float64 model cannot be bounded in float32; use --dtype float64")
        device = choose_device(device)
        engines = network.__dict__.setdefault("_engines", {})
        if (dtype, device) not in engines:
            engines[dtype, device] = cls(network, network.plan, DTYPES[dtype], device)
        return engines[dtype, device]

    @property
    def graph(self) -> _lirpa.Graph:
        """The plan as auto_LiRPA's graph."""
        if self._graph is None:
            self._graph = _lirpa.Graph(self.plan, self.exact, self.dtype, self.device)
        return self._graph

    def tensor(self, values: np.ndarray) -> Tensor:
        """Numbers as a float64 tensor on the device."""
        return torch.tensor(np.asarray(values), dtype=torch.float64, device=self.device)

    def outward(self, lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
        """A float64 box in the working precision, rounded outward."""
        if self.dtype is torch.float64:
            return lower, upper
        low, high = lower.to(self.dtype), upper.to(self.dtype)
        below, above = torch.full_like(low, -torch.inf), torch.full_like(high, torch.inf)
        low = torch.where(low.double() > lower, torch.nextafter(low, below), low)
        high = torch.where(high.double() < upper, torch.nextafter(high, above), high)
        return low, high

    def memory(self) -> int:
        """Bytes that one computation may use."""
        if self.device.startswith("cuda"):
            return int(torch.cuda.mem_get_info(self.device)[0] * 0.5)
        return int(psutil.virtual_memory().available * 0.25)

    def bytes_per_box(self, values: Mapping[str, Interval], rows: int) -> int:
        """About what CROWN needs for one box: the largest layer's rows, times what they act on."""
        itemsize, largest, seen = self.dtype.itemsize, 0, [values[self.plan.input].lower[0].numel()]
        relaxed = set(self.plan.relaxed_inputs())
        for step in self.plan.steps:
            known = values[step.name]
            if step.name in relaxed:
                open_ = int(((known.lower < 0) & (known.upper > 0)).any(0).sum())
                largest = max(largest, open_ * max(seen))
            seen.append(known.lower[0].numel())
        return max(largest, rows * max(seen)) * itemsize * 6 + sum(seen) * itemsize * 16

    def rows_at_once(self, values: Mapping[str, Interval], rows: int, boxes: int = 1) -> int | None:
        """How many backward rows of a layer fit in memory together; None where all do."""
        if self.bytes_per_box(values, rows) * boxes <= 2 * self.memory():
            return None
        widest = max(known.lower[0].numel() for known in values.values())
        return max(16, self.memory() // (widest * self.dtype.itemsize * 12))


def choose_device(device: str) -> str:
    """`auto` is CUDA where there is one, else the CPU."""
    if device == "auto":
        return "cuda:0" if torch.cuda.is_available() else "cpu"
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise SettingError(f"no device {device!r}; use auto, cpu, cuda or cuda:N") from error
    if chosen.type == "cuda":
        if not torch.cuda.is_available():
            raise SettingError("there is no CUDA device here; use --device cpu or auto")
        if (chosen.index or 0) >= torch.cuda.device_count():
            raise SettingError(f"no device {device!r}; there are {torch.cuda.device_count()}")
        return f"cuda:{chosen.index or 0}"
    if chosen.type != "cpu":
        raise SettingError(f"no device {device!r}; use auto, cpu, cuda or cuda:N")
    return "cpu"


def method_named(
    method: "str | BoundMethod", settings: Mapping[str, Any] | None = None
) -> BoundMethod:
    """A bound method by name with settings, or the method itself."""
    if not isinstance(method, str):
        return method
    try:
        return bound_methods[method](**dict(settings or {}))
    except TypeError as error:
        raise SettingError(f"bound method {method!r}: {error}") from error


@torch.no_grad()
def bound(
    network: Network,
    lower: np.ndarray,
    upper: np.ndarray,
    target: Target,
    method: "str | BoundMethod" = "crown",
    *,
    dtype: str = "float64",
    device: str = "auto",
    batch: int | None = None,
    progress: Progress | None = None,
) -> Bounds:
    """Bound the rows of `target` over boxes.

    Args:
        network: a loaded network.
        lower, upper: (batch, *input shape) in float64; each box is the product of the intervals.
        target: whose rows are bounded.
        method: name of a bound method, or one.
        dtype: working precision, `float64` or `float32`. The allowance for float32 is large on
            deep networks; the bounds are true in both.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        batch: how many boxes at once; by default as many as fit in memory.
        progress: told after every batch.

    Raises:
        UnsupportedBoundError: the method cannot handle this network.
        BoundFailedError: it gave NaN or infinity.
        OutOfMemoryError: not even one box fits.
    """
    engine, chosen = Engine.of(network, dtype, device), method_named(method)
    matrix, offsets = target.matrix(network.outputs)
    low, high = engine.tensor(lower), engine.tensor(upper)
    if not bool((low <= high).all()):
        raise BoundFailedError("a box has an end out of order, or NaN")
    size = batch or _batch_size(engine, low, high, len(matrix))
    results: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    done = 0
    while done < len(low):
        part = slice(done, done + size)
        try:
            results.append(_bound(engine, chosen, low[part], high[part], matrix, offsets))
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            if size == 1:
                raise OutOfMemoryError(
                    f"one box of {network.name!r} does not fit in memory with "
                    f"{type(chosen).__name__}; a smaller box, a cheaper bound (interval) or "
                    f"--dtype float32 needs less{_words(error)}"
                ) from error
            size = max(1, size // 2)
            continue
        done += size
        if progress is not None:
            progress("bound", min(done, len(low)), len(low))
    lowest, highest, allowances = (np.concatenate(part) for part in zip(*results, strict=True))
    return Bounds(lowest, highest, allowances.max(axis=0))


def _batch_size(engine: Engine, low: Tensor, high: Tensor, rows: int) -> int:
    """How many boxes fit in memory at once."""
    hull = enclose(engine.exact, low.amin(0, keepdim=True), high.amax(0, keepdim=True))
    each = engine.bytes_per_box(hull, rows)
    return max(1, min(len(low), 256, engine.memory() // each))


def _bound(
    engine: Engine,
    method: BoundMethod,
    lower: Tensor,
    upper: Tensor,
    matrix: np.ndarray,
    offsets: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One batch: run the method and add the offsets, rounded outward."""
    rows = torch.as_tensor(matrix, dtype=engine.dtype, device=engine.device)
    if not bool((rows.double() == engine.tensor(matrix)).all()):
        raise SettingError("the target's rows are not exact in float32; use --dtype float64")
    found = method.run(engine, *engine.outward(lower, upper), rows)
    shift = engine.tensor(offsets)
    below, above = found.lower.double() + shift, found.upper.double() + shift
    if offsets.any():
        below = torch.nextafter(below, torch.full_like(below, -torch.inf))
        above = torch.nextafter(above, torch.full_like(above, torch.inf))
    if not (torch.isfinite(below).all() and torch.isfinite(above).all()):
        raise BoundFailedError(
            f"{type(method).__name__} gave NaN or infinity on {engine.network.name!r}; "
            "another bound method or a smaller box may work"
        )
    numbers = (below, above, found.allowance.double())
    return tuple(one.cpu().numpy() for one in numbers)  # type: ignore[return-value]


@torch.no_grad()
def lower_at(
    network: Network, points: np.ndarray, target: Target, device: str = "cpu"
) -> np.ndarray:
    """Rigorous lower bounds of every row at points: (batch, rows), over the reals.

    What a witness is worth: its value, lowered by the allowance of its own evaluation.
    """
    engine = Engine.of(network, "float64", device)
    matrix, offsets = target.matrix(network.outputs)
    parts = []
    for part in engine.tensor(points).split(64):
        output = enclose(engine.exact, part, part)[engine.exact.output]
        parts.append(rows_of(output, engine.tensor(matrix), engine.tensor(offsets)).lower)
    return torch.cat(parts).cpu().numpy()


def _words(error: Exception) -> str:
    """What a refusal of ours says; a library's own words help nobody."""
    return f" ({error})" if isinstance(error, OutOfMemoryError) else ""


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        with contextlib.suppress(Exception):
            torch.cuda.empty_cache()
        return True
    words = str(error).lower()
    return "not enough memory" in words or "can't allocate memory" in words
