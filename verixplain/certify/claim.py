"""What a claim is, and what is proved at the moment that it is asked about."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from verixplain.errors import SettingError
from verixplain.explanation import Order, Overlaps
from verixplain.query import Query
from verixplain.registry import Registry

claim_kinds = Registry("kind of claim", "verixplain.certify.kinds")


@dataclass(frozen=True, eq=False)
class Proved:
    """Everything proved so far about one query.

    Args:
        query: what was asked.
        scores: of every group, to name candidates where nothing is decided.
        overlaps: the best enclosures.
        order: the decided pairs.
    """

    query: Query
    scores: np.ndarray
    overlaps: Overlaps
    order: Order


@dataclass(frozen=True, eq=False)
class Finding:
    """What the proofs say of a claim.

    Args:
        status: `estimate`, `refuted` or `unknown`.
        statement: what is claimed, in words.
        bound: the number that it rests on, where it rests on one.
        witness: a point that refutes it.
        frozen: number of the group that the witness holds still, where it does.
        details: what else a reader may want.
    """

    status: str
    statement: str
    bound: float | None = None
    witness: np.ndarray | None = None
    frozen: int | None = None
    details: dict[str, Any] | None = None


class ClaimKind(Protocol):
    """A kind of claim with its parameters, made from the words after the colon."""

    parameters: dict[str, Any]

    def judge(self, proved: Proved) -> Finding:
        """What is known of the claim."""
        ...


def claim_named(words: str) -> tuple[str, ClaimKind]:
    """The claim that `KIND[:PARAMETERS]` stands for, and its kind.

    Raises:
        UnknownNameError: no such kind.
        SettingError: parameters that it cannot have.
    """
    kind, _, rest = words.partition(":")
    return kind, claim_kinds[kind](rest)


def numbers(words: str, count: int, usage: str) -> list[int]:
    """So many whole numbers, with commas between.

    Raises:
        SettingError: something else.
    """
    parts = words.split(",")
    if len(parts) == count and all(part.strip().isdecimal() for part in parts):
        return [int(part) for part in parts]
    raise SettingError(f"the claim is written {usage}, not with {words!r}")


def group_numbers(query: Query, *asked: int) -> None:
    """Refuse numbers of groups that there are not.

    Raises:
        SettingError: no such group.
    """
    for u in asked:
        if u >= len(query.groups):
            raise SettingError(f"no group {u}; there are {len(query.groups)}, counted from 0")


def replayed(query: Query, point: np.ndarray) -> float:
    """The overlap at a point as ONNX Runtime computes it."""
    outputs = query.network.run_onnx(point[None])[0].astype(np.float64)
    matrix, offsets = query.target.matrix(query.network.outputs)
    return float((matrix @ outputs.ravel() + offsets).max())
