"""What a witness shows: its point is run in ONNX Runtime and held against the query it is for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from verixplain.errors import InputError
from verixplain.inputs import Address, InputFile, arrays
from verixplain.query import Target
from verixplain.request import predicted_label

if TYPE_CHECKING:
    from verixplain.network import Network


@dataclass(frozen=True)
class Replay:
    """One witness, as ONNX Runtime sees it.

    Args:
        source: which point this is.
        outputs: the network's outputs there (logits).
        label: the class that wins; None where the network gives a value.
        overlap: g, the largest row of the target; at least 0 is a counterexample. None where the
            file says no target.
        row: which row is the largest, in words.
        in_box: whether every number lies in the box exactly; None where the file has no box.
        group: number of the group that the witness should hold still, where it is for one.
        held: whether it does, exactly.
        moved: how many inputs differ from the input.
    """

    source: str
    outputs: tuple[float, ...]
    label: int | None
    overlap: float | None = None
    row: str | None = None
    in_box: bool | None = None
    group: int | None = None
    held: bool | None = None
    moved: int | None = None

    @property
    def holds(self) -> bool:
        """Whether the point is what it says it is: in the box, its group held."""
        return self.in_box is not False and self.held is not False


def replay(network: "Network", text: str) -> list[Replay]:
    """Run the witnesses that `text` (`PATH[:KEY][#I | #I:J]`) names.

    In an `explanation.npz` the key `witness` holds one point per group and `witness_box` the
    best of the whole box, which is taken where nothing else is asked for; `#I` alone is group I.

    Raises:
        InputError: no such file, key or index, or points of another network.
    """
    address = Address.parse(text)
    beside = arrays(address.path) if address.path.suffix.lower() == ".npz" else {}
    key = address.key
    if key is None and "witness_box" in beside:
        key = "witness_box" if address.start is None else "witness"
        stop = "" if address.stop is None else address.stop
        part = "" if address.start is None else f"#{address.start}:{stop}"
        text = f"{address.path}:{key}{part}"
    file = InputFile(text, network.input_shape, network.input_dtype, network.card, raw=False)
    points = [(index, file.read(index)) for index in file.indices]
    context = _Context(network, beside)
    outputs = network.run_onnx(np.stack([point.values for _, point in points]))
    return [
        context.judge(
            point.source, point.values, row, index if key == "witness" and file.several else None
        )
        for (index, point), row in zip(points, outputs, strict=True)
    ]


class _Context:
    """The query that lies beside the witnesses, as far as it does."""

    def __init__(self, network: "Network", beside: Mapping[str, np.ndarray]) -> None:
        self.network, self.beside = network, beside
        for name in ("input", "box_lower", "box_upper"):
            if name in beside and beside[name].shape != network.input_shape:
                raise InputError(
                    f"{name} in the file is {beside[name].shape}, the network takes "
                    f"{network.input_shape}; the witness belongs to another network"
                )
        self.target = None
        if "target_coefficients" in beside:
            self.target = Target.rows(beside["target_coefficients"], beside.get("target_offsets"))
            self.target.matrix(network.outputs)

    def judge(
        self, source: str, point: np.ndarray, outputs: np.ndarray, group: int | None
    ) -> Replay:
        """What one point shows."""
        beside, exact = self.beside, point.astype(np.float64)
        label = predicted_label(outputs, self.network.card.kind)
        overlap = row = in_box = held = moved = None
        if self.target is not None:
            matrix, offsets = self.target.matrix(self.network.outputs)
            rows = matrix @ outputs.astype(np.float64) + offsets
            overlap, row = float(rows.max()), _row_in_words(matrix, int(rows.argmax()))
        if {"box_lower", "box_upper"} <= set(beside):
            in_box = bool(((beside["box_lower"] <= exact) & (exact <= beside["box_upper"])).all())
        if "input" in beside:
            same = exact == beside["input"].astype(np.float64)
            moved = int((~same).sum())
            if group is not None and {"group_inputs", "group_starts"} <= set(beside):
                starts = beside["group_starts"]
                members = beside["group_inputs"][starts[group] : starts[group + 1]]
                held = bool(same.ravel()[members].all())
        return Replay(
            source,
            tuple(map(float, outputs)),
            label,
            overlap,
            row,
            in_box,
            group,
            held,
            moved,
        )


def _row_in_words(matrix: np.ndarray, number: int) -> str:
    """`class 8 over class 3` where the row is the difference of two outputs."""
    row = matrix[number]
    if sorted(row[row != 0].tolist()) == [-1.0, 1.0]:
        return f"output {int(row.argmax())} minus output {int(row.argmin())}"
    return f"row {number}"
