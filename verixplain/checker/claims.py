"""What a certificate claims, how each claim is proved, and the sentence that may then be said.

Only the numbers and indices of a claim are read; every sentence is formed here.
"""

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from .container import Tensors
from .exchange import gains
from .faces import Face, faces
from .gradients import gradient
from .passes import Bounder
from .pieces import State
from .reasons import MOST_EXCHANGED, Reason, need
from .regions import Region
from .rounding import Array, down, up
from .tree import Tree

FEW = 4  # sets whose boxes are worth a pass of their own


@dataclass
class Question:
    """The specification: rows C f + d of the output, over B and its B_u."""

    region: Region
    matrix: Array
    offset: Array
    groups: int
    semantics: tuple[str, ...]
    tree: Tree | None = None

    def wins(self, label: int) -> str:
        """How the class wins where all rows are < 0: by the `largest` score or the `smallest`.

        "" where the rows are not its margins, f_j - f_label (or the reverse) for every other j.
        """
        for how, sign in (("largest", 1.0), ("smallest", -1.0)):
            against = (sign * self.matrix[:, label] == -1.0).all()
            rest = sign * np.delete(self.matrix, label, axis=1)
            each = (rest.sum(axis=1) == 1).all() and (np.isin(rest, (0.0, 1.0))).all()
            if against and each and rest.size and rest.any(axis=0).all() and not self.offset.any():
                return how
        return ""


@dataclass
class Facts:
    """What has been proved in one semantics."""

    rows: Array | None = None
    """Upper bound of every row over B."""
    upper: dict[int, float] = field(default_factory=dict)
    """Group (-1: nothing frozen) -> upper bound of the largest row on B_u."""
    lower: dict[int, float] = field(default_factory=dict)
    """Group -> lower bound of the largest value of g on B_u."""
    above: list[Array] = field(default_factory=list)
    """Pairs (u, v) of groups of which the exchange rule proved that u counts more."""

    def upper_of(self, group: int) -> float:
        return self.upper.get(group, np.inf)

    def lower_of(self, group: int) -> float:
        return self.lower.get(group, -np.inf)

    def follows(self, groups: int) -> Array:
        """(u, v) -> whether u counts more than v, by any chain of steps."""
        upper = np.array([self.upper_of(u) for u in range(groups)])
        lower = np.array([self.lower_of(u) for u in range(groups)])
        found = upper[:, None] < lower
        for pairs in self.above:
            found[pairs[:, 0], pairs[:, 1]] = True
        while self.above:
            number = found.astype(np.float32)
            further = found | (number @ number > 0)
            if (further == found).all():
                break
            found = further
        need(not np.diagonal(found).any(), Reason.NOT_FINITE, "a group counts more than itself")
        return found


class Prover:
    """Bounds on demand, each computed once; index 0 of a pair is `real`, 1 is `float32`."""

    def __init__(self, question: Question, bounder: Bounder) -> None:
        self.question, self.bounder = question, bounder
        self._state: State | None = None
        self._shared: tuple[Array, Array] | None = None
        self._faces: dict[int, list[Face]] = {}
        self._leaves: Array | None = None

    @property
    def state(self) -> State:
        if self._state is None:
            self._state = self.bounder.region(self.question.region)
        return self._state

    def shared(self) -> tuple[Array, Array]:
        """Upper bounds of every row on every B_u from one pass over B, (rows, sets)."""
        if self._shared is None:
            matrix, ids = self.question.matrix, np.arange(len(self.question.matrix))
            pair = self.bounder.rows(self.state, matrix, 0 * ids, ids, self.question.region)
            offset = self.question.offset[:, None]
            self._shared = (up(pair[0] + offset), up(pair[1] + offset))
        return self._shared

    def groups(self, sets: Array, enough: Array) -> tuple[Array, Array]:
        """Upper bounds of every row on the chosen sets, (rows, chosen).

        A row whose shared bound is not enough is bounded again with the set's own intervals: of
        many sets what refinement over B says of each, of a few those of a pass over B_u alone.
        """
        found = [bounds[:, sets].copy() for bounds in self.shared()]
        weaker = found[1] if self.bounder.float32 else found[0]
        row, place = np.nonzero(~(weaker <= enough) & (sets > 0))
        matrix, region, alone = self.question.matrix, self.question.region, np.unique(sets[place])
        if len(alone) > FEW:
            alone = alone[:0]
            fresh = np.stack(self.bounder.each(self.state, region, matrix[row], row, sets[place]))
        else:
            fresh = np.zeros((2, len(row)))
        for u in alone.tolist():
            mine, state = sets[place] == u, self.bounder.region(region.only(u))
            pair = self.bounder.rows(state, matrix[row[mine]], 0 * row[mine], row[mine])
            fresh[:, mine] = [side[:, 0] for side in pair]
        for bounds, one in zip(found, fresh, strict=True):
            one = up(one + self.question.offset[row])
            bounds[row, place] = np.minimum(bounds[row, place], one)
        if self.question.tree is not None and not (found[0] <= enough).all():
            found = [np.minimum(a, b[:, sets]) for a, b in zip(found, self.leaves(), strict=True)]
        for number in np.flatnonzero(~(found[0] <= enough).all(axis=1)).tolist():
            for face in self.faces(number):
                upper = up(face.upper[sets] + self.question.offset[number])
                found[0][number] = np.minimum(found[0][number], upper)
        return found[0], found[1]

    def leaves(self) -> Array:
        """What the tree says of every row on every S_u, (2, rows, sets)."""
        if self._leaves is None:
            q = self.question
            bounds = q.tree.bounds(self.bounder, q.region, self.state, q.matrix) if q.tree else 0.0
            self._leaves = up(bounds + q.offset[:, None])
        return self._leaves

    def faces(self, row: int) -> list[Face]:
        """Smaller and smaller faces that hold a worst point of a row on every B_u."""
        if row not in self._faces:
            matrix, region = self.question.matrix[row], self.question.region
            self._faces[row] = faces(
                self.bounder, region, self.state, matrix, row, self.bounder.recipe.rounds
            )
        return self._faces[row]

    def gains(self, pairs: Array, facts: Facts) -> Array:
        """For pairs (u, v): by how much any row that may be the largest on B_u gains, at least."""
        groups, place = np.unique(pairs[:, 0], return_inverse=True)
        lower = np.array([facts.lower_of(u) for u in groups.tolist()])
        bounds = self.groups(groups + 1, np.nextafter(lower, -np.inf))[0]
        possible = (bounds >= lower)[:, place]
        need(possible.any(axis=0).all(), Reason.NOT_FINITE, "no row can be the largest")
        least, region = np.full(len(pairs), np.inf), self.question.region
        for number in np.flatnonzero(possible.any(axis=1)).tolist():
            asked, row = possible[number], self.question.matrix[number]
            gained = np.full(asked.sum(), -np.inf)
            over = [(region, self.state), *((f.region, f.state) for f in self.faces(number))]
            for where, state in over:
                found = gradient(self.bounder.network, state, row)
                gained = np.maximum(gained, gains(found, where, pairs[asked]))
            least[asked] = np.minimum(least[asked], gained)
        return least

    def witnesses(self, lower: Array, upper: Array, row: Array) -> tuple[Array, Array]:
        """Lower bounds of one named row on each box of points."""
        found = []
        for start in range(0, len(row), self.bounder.chunk):
            part = slice(start, start + self.bounder.chunk)
            state = self.bounder.forward(lower[part], lower[part], upper[part])
            ids = np.arange(len(row[part]))
            pair = self.bounder.rows(state, -self.question.matrix[row[part]], ids, row[part])
            found.append([down(self.question.offset[row[part]] - side[:, 0]) for side in pair])
        return np.concatenate([f[0] for f in found]), np.concatenate([f[1] for f in found])


class Claim(Protocol):
    """One claim: read with every refusal before anything is proved."""

    def prove(self, question: Question, prover: Prover, facts: dict[str, Facts]) -> dict: ...
    def holds(self, semantics: str, question: Question, facts: Facts) -> bool: ...
    def sentence(self, semantics: str, question: Question) -> str: ...


@dataclass
class _Numbers:
    """Claimed numbers, one array for each semantics, and what was proved in each."""

    claimed: dict[str, Array]
    proved: dict[str, Array] = field(default_factory=dict)

    def keep(self, question: Question, pair: tuple[Array, Array]) -> dict:
        for semantics in question.semantics:
            self.proved[semantics] = pair[("real", "float32").index(semantics)]
        return {name: numbers.tolist() for name, numbers in self.proved.items()}


@dataclass
class Bound:
    """Every row is at most its number, everywhere in B."""

    upper: _Numbers

    def prove(self, question: Question, prover: Prover, facts: dict[str, Facts]) -> dict:
        real, float32 = prover.shared()
        proved = self.upper.keep(question, (real[:, 0], float32[:, 0]))
        for name in question.semantics:
            if self.holds(name, question, facts[name]):
                facts[name].rows = self.upper.claimed[name]
        return proved

    def holds(self, semantics: str, question: Question, facts: Facts) -> bool:
        return bool((self.upper.proved[semantics] <= self.upper.claimed[semantics]).all())

    def sentence(self, semantics: str, question: Question) -> str:
        largest = float(self.upper.claimed[semantics].max())
        return f"on the box every row is at most its claimed number (the largest: {largest!r})"


@dataclass
class GroupBounds:
    """The largest row is at most a number on B_u, for many groups u."""

    group: Array
    upper: _Numbers

    def prove(self, question: Question, prover: Prover, facts: dict[str, Facts]) -> dict:
        enough = np.min([self.upper.claimed[name] for name in question.semantics], axis=0)
        pair = prover.groups(self.group + 1, enough)
        proved = self.upper.keep(question, (pair[0].max(axis=0), pair[1].max(axis=0)))
        for name in question.semantics:
            fine = self.upper.proved[name] <= self.upper.claimed[name]
            for group, number in zip(self.group[fine], self.upper.claimed[name][fine], strict=True):
                old = facts[name].upper_of(int(group))
                facts[name].upper[int(group)] = min(old, float(number))
        return proved

    def holds(self, semantics: str, question: Question, facts: Facts) -> bool:
        return bool((self.upper.proved[semantics] <= self.upper.claimed[semantics]).all())

    def sentence(self, semantics: str, question: Question) -> str:
        return (
            f"on each of {len(self.group)} boxes B_u (inputs of group u as in the center) "
            "the largest row is at most the number claimed for it"
        )


@dataclass
class Witnesses:
    """At a stored point of B_u one named row is at least a number; see `Reader.witnesses`."""

    box: tuple[Array, Array]
    group: Array
    row: Array
    lower: _Numbers

    def prove(self, question: Question, prover: Prover, facts: dict[str, Facts]) -> dict:
        proved = self.lower.keep(question, prover.witnesses(*self.box, self.row))
        for name in question.semantics:
            fine = self.lower.proved[name] >= self.lower.claimed[name]
            for group, number in zip(self.group[fine], self.lower.claimed[name][fine], strict=True):
                old = facts[name].lower_of(int(group))
                facts[name].lower[int(group)] = max(old, float(number))
        return proved

    def holds(self, semantics: str, question: Question, facts: Facts) -> bool:
        return bool((self.lower.proved[semantics] >= self.lower.claimed[semantics]).all())

    def sentence(self, semantics: str, question: Question) -> str:
        return (
            f"each of {len(self.row)} stored points lies in its box B_u, and the row named with it "
            "is at least the number claimed for it"
        )


@dataclass
class Exchange:
    """Group u counts more than group v, whatever the worst point on B_u is, for each pair."""

    pairs: Array
    gained: Array = field(default_factory=lambda: np.zeros(0))

    def prove(self, question: Question, prover: Prover, facts: dict[str, Facts]) -> dict:
        self.gained = prover.gains(self.pairs, facts["real"])
        facts["real"].above.append(self.pairs[self.gained > 0.0])
        return {"real": self.gained.tolist()}

    def holds(self, semantics: str, question: Question, facts: Facts) -> bool:
        return bool((self.gained > 0.0).all())

    def sentence(self, semantics: str, question: Question) -> str:
        return (
            f"{len(self.pairs)} pairs of groups are in order of importance by the exchange rule: "
            + _some(self.pairs)
        )


def _some(pairs: Array) -> str:
    words = ", ".join(f"{u} > {v}" for u, v in pairs[:10].tolist())
    return words + (", ..." if len(pairs) > 10 else "")


class _Derived:
    """A claim that follows from numbers already proved; nothing is computed for it."""

    def prove(self, question: Question, prover: Prover, facts: dict[str, Facts]) -> dict:
        return {}


@dataclass
class Prediction(_Derived):
    """The class wins alone, everywhere in B."""

    label: int

    def holds(self, semantics: str, question: Question, facts: Facts) -> bool:
        by_rows = facts.rows is not None and bool((facts.rows < 0).all())
        return question.wins(self.label) != "" and (by_rows or facts.upper_of(-1) < 0)

    def sentence(self, semantics: str, question: Question) -> str:
        how = question.wins(self.label)
        return f"class {self.label} has the strictly {how} score at every point of the box"


@dataclass
class Sufficient(_Derived):
    """With one group frozen the class wins alone."""

    label: int
    group: int

    def holds(self, semantics: str, question: Question, facts: Facts) -> bool:
        return question.wins(self.label) != "" and facts.upper_of(self.group) < 0

    def sentence(self, semantics: str, question: Question) -> str:
        return (
            f"the inputs of group {self.group} are sufficient: with them as in the center, class "
            f"{self.label} has the strictly {question.wins(self.label)} score wherever the others "
            "move in the box"
        )


@dataclass
class Order(_Derived):
    """Group u counts more than group v, for each pair (u, v)."""

    pairs: Array

    def holds(self, semantics: str, question: Question, facts: Facts) -> bool:
        return bool(facts.follows(question.groups)[self.pairs[:, 0], self.pairs[:, 1]].all())

    def sentence(self, semantics: str, question: Question) -> str:
        return (
            f"{len(self.pairs)} pairs of groups are in order of importance (freezing the first "
            f"lowers the largest row strictly further): {_some(self.pairs)}"
        )


@dataclass
class TopK(_Derived):
    """Every group of the set counts more than every group outside it."""

    members: Array

    def holds(self, semantics: str, question: Question, facts: Facts) -> bool:
        outside = np.delete(np.arange(question.groups), self.members)
        return bool(facts.follows(question.groups)[np.ix_(self.members, outside)].all())

    def sentence(self, semantics: str, question: Question) -> str:
        return (
            f"the {len(self.members)} most important of {question.groups} groups are exactly "
            f"{sorted(self.members.tolist())}"
        )


def singles(lower: Array, upper: Array) -> tuple[Array, Array]:
    """The smallest and the largest float32 number of each interval, if it has one."""
    low, high = lower.astype(np.float32), upper.astype(np.float32)
    low = np.where(low < lower, np.nextafter(low, np.float32(np.inf)), low)
    high = np.where(high > upper, np.nextafter(high, np.float32(-np.inf)), high)
    return low.astype(np.float64), high.astype(np.float64)


class Reader:
    """Reads the claims of a manifest; `fields` demands exactly the keys of a kind."""

    def __init__(self, question: Question, tensors: Tensors) -> None:
        self.question, self.tensors = question, tensors

    def read(self, entry: Any) -> Claim:
        need(isinstance(entry, dict), Reason.CLAIM, "a claim is not an object")
        kind = entry.get("kind")
        need(kind in KINDS, Reason.CLAIM_KIND, f"claims of kind {kind!r} are not known")
        fields, read = KINDS[kind]
        need(set(entry) == {"kind", *fields}, Reason.CLAIM, f"a {kind} claim has {sorted(fields)}")
        return read(self, *(entry[name] for name in fields))

    def numbers(self, entry: Any, length: int) -> _Numbers:
        names = self.question.semantics
        fits = isinstance(entry, dict) and set(entry) == set(names)
        need(fits, Reason.CLAIM, f"numbers are claimed for {list(names)}, and for each")
        return _Numbers({name: self.tensors.take(entry[name], "F64", (length,)) for name in names})

    def group(self, entry: Any, least: int) -> Array:
        return self.tensors.indices(entry, self.question.groups, least=least)

    def integer(self, entry: Any, below: int) -> int:
        need(type(entry) is int and 0 <= entry < below, Reason.CLAIM, f"{entry!r} is out of range")
        return entry

    def bound(self, upper: Any) -> Bound:
        return Bound(self.numbers(upper, len(self.question.matrix)))

    def group_bounds(self, group: Any, upper: Any) -> GroupBounds:
        groups = self.group(group, -1)
        need(len(groups) > 0, Reason.CLAIM, "no group is bounded")
        return GroupBounds(groups, self.numbers(upper, len(groups)))

    def witnesses(self, points: Any, group: Any, row: Any, lower: Any) -> Witnesses:
        region, groups = self.question.region, self.group(group, -1)
        count, n = len(groups), len(region.center)
        need(count > 0, Reason.CLAIM, "no witness is given")
        found = self.tensors.take(points, "U8 F32", (None, n))
        need(len(found) in (1, count), Reason.CLAIM, "neither one point nor one for each group")
        if found.dtype == np.uint8:
            need((found <= 2).all(), Reason.CLAIM, "a coded point has codes other than 0, 1, 2")
            corners = np.stack([*singles(*region.sure), region.center])[[0, 2, 1]]
            found = np.take_along_axis(corners, found.astype(np.int64), axis=0)
        frozen, (begin, end), still = region.free.T[groups + 1] == 0, region.sure, region.still
        if len(found) < count:
            found = np.where(frozen, region.center, found)
        need((found == region.center)[frozen].all(), Reason.CLAIM, "a witness moves a frozen input")
        put = ~frozen & (begin <= end)  # of one box, every input that is free
        inside = (begin <= found) & (found <= end)
        need(inside[put].all(), Reason.CLAIM, "a witness lies outside the box")
        as_float32 = found.astype(np.float32).astype(np.float64)
        single = "float32" not in self.question.semantics or (as_float32 == found).all()
        need(single, Reason.CLAIM, "a witness is not a float32 input")
        rows = self.tensors.indices(row, len(self.question.matrix), count)
        box = np.where(put, found, still[0]), np.where(put, found, still[1])
        return Witnesses(box, groups, rows, self.numbers(lower, count))

    def label(self, entry: Any) -> int:
        return self.integer(entry, self.question.matrix.shape[1])

    def prediction(self, label: Any) -> Prediction:
        return Prediction(self.label(label))

    def sufficient(self, label: Any, group: Any) -> Sufficient:
        return Sufficient(self.label(label), self.integer(group, self.question.groups))

    def pairs(self, entry: Any) -> Array:
        found = self.tensors.take(entry, "I32", (None, 2))
        fits = len(found) > 0 and ((found >= 0) & (found < self.question.groups)).all()
        need(fits, Reason.CLAIM, "pairs of groups")
        return found

    def order(self, pairs: Any) -> Order:
        return Order(self.pairs(pairs))

    def exchange(self, pairs: Any) -> Exchange:
        found = self.pairs(pairs)
        need(self.question.semantics == ("real",), Reason.SEMANTICS, "exchange is for reals only")
        need(self.question.groups <= MOST_EXCHANGED, Reason.TOO_LARGE, "groups to exchange")
        frozen = 1.0 - self.question.region.free[:, 1:]
        shared = (frozen.T @ frozen)[found[:, 0], found[:, 1]]
        need(not shared.any(), Reason.CLAIM, "groups that are exchanged share an input")
        return Exchange(found)

    def top_k(self, group: Any) -> TopK:
        groups = self.group(group, 0)
        fits = len(set(groups.tolist())) == len(groups) and 0 < len(groups) < self.question.groups
        need(fits, Reason.CLAIM, "the set is empty, repeats a group, or holds all groups")
        return TopK(groups)


KINDS = {
    "bound": (("upper",), Reader.bound),
    "groups": (("group", "upper"), Reader.group_bounds),
    "witness": (("points", "group", "row", "lower"), Reader.witnesses),
    "prediction": (("label",), Reader.prediction),
    "sufficient": (("label", "group"), Reader.sufficient),
    "exchange": (("pairs",), Reader.exchange),
    "order": (("pairs",), Reader.order),
    "top-k": (("group",), Reader.top_k),
}
