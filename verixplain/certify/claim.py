"""What a claim is, and what is proved at the moment that it is asked about."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Context
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from verixplain.certify.budget import Budget
from verixplain.errors import SettingError
from verixplain.explanation import Order, Overlaps
from verixplain.query import Query
from verixplain.registry import claim_kinds

if TYPE_CHECKING:
    from verixplain.attribution._base import Method
    from verixplain.attribution.eva import EVA


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
class Stands:
    """What a certificate may say: the overlap is negative wherever `frozen` stays as it is.

    Args:
        frozen: flattened inputs; none for the whole box.
    """

    frozen: np.ndarray


@dataclass(frozen=True, eq=False)
class Ranks:
    """What a certificate may say: the first group of every pair counts more than the second.

    Args:
        pairs: numbers of groups, (pairs, 2).
        top: the pairs say that these groups count most; empty where that is not the claim.
        shift: so far from the center the pairs hold at every input; None is the center alone.
    """

    pairs: np.ndarray
    top: tuple[int, ...] = ()
    shift: float | None = None


@dataclass(frozen=True)
class Encloses:
    """What a certificate may say: the overlaps of the box and of every B_u lie in intervals."""


@dataclass(frozen=True, eq=False)
class Finding:
    """What the proofs say of a claim.

    Args:
        status: `estimate`, `refuted` or `unknown`; `certified` is given by `certificate.issue`.
        statement: what is claimed, in words.
        bound: the number that it rests on, where it rests on one.
        witness: a point that refutes it.
        frozen: number of the group that the witness holds still, where it does.
        details: what else a reader may want.
        arrays: what belongs to it and is too long to read, by name.
        rests_on: what a certificate has to say for it, where the checker knows such claims.
        semantics: of the status: `real`, or `real+float32` where a certificate says both.
        certificate: the bytes that the checker accepted; it may say a part of the claim only.
    """

    status: str
    statement: str
    bound: float | None = None
    witness: np.ndarray | None = None
    frozen: int | None = None
    details: dict[str, Any] | None = None
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    rests_on: Stands | Ranks | Encloses | None = None
    semantics: str = "real"
    certificate: bytes | None = None


@dataclass(frozen=True, eq=False)
class Task:
    """What a claim with a proof of its own starts from.

    Args:
        query: network, box, target and groups.
        method: settings of bounds and attack (bound, dtype, device, seed).
        budget: what may be spent; a proof calls `step` for every bound that it asks for.
        progress: told a stage, and how many of how many steps of it are done.
        proved: what was proved for the claims that rest on EVA, where one of them was asked.
    """

    query: Query
    method: "EVA"
    budget: Budget
    progress: Callable[[str, int, int], None]
    proved: Proved | None = None


@dataclass(frozen=True, eq=False)
class Asked:
    """What a claim still asks about, for proofs that can choose what to spend on.

    Args:
        pairs: (groups, groups), True where it is of interest whether `I(u) > I(v)`.
        box: whether it is of interest that the overlap of the box is negative.
    """

    pairs: np.ndarray
    box: bool = False

    def __or__(self, other: "Asked") -> "Asked":
        return Asked(self.pairs | other.pairs, self.box or other.box)


class ClaimKind(Protocol):
    """A kind of claim with its parameters, made from the words after the colon and options.

    It has `judge`, or `prove`.
    """

    parameters: dict[str, Any]
    options: tuple[str, ...]
    """Names of the options that its constructor takes beside the words."""
    certified_by: tuple[tuple[str, ...], ...]
    """What the checker may have accepted that says it (FORMAT.md section 5): any of these, whole;
    `box below zero` and `set below zero` are bounds that decide by themselves.
    Kinds without it have no certificates."""


class Judged(ClaimKind, Protocol):
    """A claim about enclosures and order, which are the same for all such claims."""

    def judge(self, proved: Proved) -> Finding:
        """What is known of the claim."""
        ...

    def asks(self, proved: Proved) -> Asked:
        """What would have to be decided."""
        ...


class Proving(ClaimKind, Protocol):
    """A claim with a proof of its own."""

    explained_by: "Method | None"
    """The method whose explanation the claim is about; None for EVA's."""
    needs_order: bool
    """Whether it starts from the order of groups at the input."""

    def prove(self, task: Task) -> Iterator[Finding]:
        """What is known of the claim, better each time; stops when the budget is over.

        The last finding stands, however the run ends.
        """
        ...


def claim_named(words: str, options: Mapping[str, Any] | None = None) -> tuple[str, Any]:
    """The claim that `KIND[:PARAMETERS]` stands for, and its kind.

    Args:
        words: kind and parameters.
        options: of all claims; the claim takes those that it knows.

    Raises:
        UnknownNameError: no such kind.
        SettingError: parameters that it cannot have.
    """
    name, _, rest = words.partition(":")
    kind = claim_kinds[name]
    known = {key: value for key, value in (options or {}).items() if key in kind.options}
    return name, kind(rest, **known)


def claims_named(words: Sequence[str], options: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The claims that were asked for.

    Raises:
        SettingError: an option that none of them has.
    """
    found = [claim_named(one, options) for one in words]
    unused = set(options) - {name for _, part in found for name in part.options}
    if unused:
        raise SettingError(
            f"no claim that was asked for has the option {', '.join(sorted(unused))}"
        )
    return found


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


def in_words(number: float, rounding: str) -> str:
    """A number in at most six digits, rounded as `decimal` names it."""
    return f"{Context(prec=6, rounding=rounding).create_decimal(number).normalize():g}"
