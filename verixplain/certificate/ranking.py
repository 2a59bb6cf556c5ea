"""Certificates that groups count more than others."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from verixplain.attack.pgd import representable
from verixplain.bounds import lower_at
from verixplain.bounds.split import Tree
from verixplain.certificate.draft import Draft, Leaves, Way, coded
from verixplain.certificate.leaves import leaves
from verixplain.certificate.made import Made, Numbers, slack
from verixplain.certify.claim import Ranks
from verixplain.certify.order import closure
from verixplain.certify.stability import Moved, Stability
from verixplain.explanation import Overlaps
from verixplain.query import Query

SURE = 1e-12
"""Gains below this share of the largest may be another sign in the next run."""

NEARLY = 0.05
"""Of the spread of the groups' overlaps: so much a witness shared with others may be worse."""

MOST_PAIRS = 20_000
"""Of more pairs only those are tried for an exchange that follow from no others."""


class Ranking:
    """Groups count more than others.

    What the checker can follow: pairs that bounds and witnesses decide, over the reals also those
    of the exchange rule, and every chain of them. Rankings about the same inputs have one draft.

    Args:
        query: what was asked.
        overlaps: its enclosures.
        above: the decided pairs.
        all_pairs: of every ranking of the query that is wanted.
        ranks: what is wanted here.
        tree: of branch and bound.
    """

    def __init__(
        self,
        query: Query,
        overlaps: Overlaps,
        above: np.ndarray,
        all_pairs: np.ndarray,
        ranks: Ranks,
        tree: Tree | None,
    ) -> None:
        self.query, self.top, self.pairs, self.count = query, ranks.top, ranks.pairs, len(above)
        self.shift, self.moved, self.ends = ranks.shift, None, (query.box.lower, query.box.upper)
        self.guess, known = overlaps.group_upper, overlaps.group_lower
        if ranks.shift is not None:
            self.proof = Stability(query, overlaps.group_witness)
            self.moved = Moved.of(query.box, ranks.shift, self.proof.engine.device)
            self.guess, self.ends = self.proof.upper(self.moved).rows.max(axis=0), self.moved.sure
        self.tree = tree if self.moved is None else None
        self._choose_witnesses(overlaps)
        tried = between(above, all_pairs)
        known = known if self.moved is None else self.known
        plain = tried & (self.guess[:, None] < known)
        self.wanted_below = np.where(plain, known, np.inf).min(axis=1)
        traded = np.argwhere(tried if tried.sum() <= MOST_PAIRS else reduced(tried))
        self.traded = traded[~_share(query, traded)]
        self.high = np.flatnonzero(plain.any(axis=1))
        self.low = np.union1d(np.flatnonzero(plain.any(axis=0)), self.traded[:, 0])

    def _choose_witnesses(self, overlaps: Overlaps) -> None:
        """The box's witness with the group frozen, where that is worth nearly the group's own."""
        query, own = self.query, overlaps.group_witness
        low, high = representable(self.ends[0], np.maximum(*self.ends), np.float32)
        own, whole = (np.clip(found, low, high) for found in (own, overlaps.witness))
        held = query.groups.memberships().reshape(own.shape)
        own, one = (np.where(held, query.box.center, at).astype(own.dtype) for at in (own, whole))
        rows = [self._at(points) for points in (own, one)]
        value, shared = (found.max(axis=1) for found in rows)
        allowed = NEARLY * value.std() if self.moved is None else 0.0
        self.shared = shared >= value - allowed
        self.known: np.ndarray = np.where(self.shared, shared, value)
        self.rows = np.where(self.shared, rows[1].argmax(axis=1), rows[0].argmax(axis=1))
        self.rows = self.rows.astype(np.int32)
        self.own, self.one = own.reshape(self.count, -1), whole.reshape(1, -1)

    def _at(self, points: np.ndarray) -> np.ndarray:
        """Lower bounds of every row at a point of each B_u, or near it: (groups, rows)."""
        if self.moved is None:
            return lower_at(self.query.network, points, self.query.target)
        return self.proof.lower(self.moved, points, np.arange(self.count))

    @cached_property
    def leaves(self) -> Leaves | None:
        """Leaves for what bounds decide, and for rows that cannot be the largest of a group."""
        if self.tree is None:
            return None
        upper = self.tree.upper[:, :-1]
        enough = np.where(upper < self.known, self.known, np.inf)
        enough[:, np.setdiff1d(np.arange(self.count), self.traded[:, 0])] = np.inf
        enough = np.minimum(enough, self.wanted_below)
        return leaves(
            self.query, self.tree, np.pad(enough, ((0, 0), (0, 1)), constant_values=np.inf)
        )

    def takes(self, way: Way) -> bool:
        """Faces are of one box; leaves cost, and come where nothing else says all."""
        return (not way.faces or self.moved is None) and (not way.tree or self.leaves is not None)

    def draft(self, way: Way) -> Draft:
        upper = dict.fromkeys(way.semantics, self.guess)
        known = self.known - 1e-6 * (1 + np.abs(self.known))
        lower: Numbers = dict.fromkeys(way.semantics, known)
        return self._claims(way, (self.high, upper), (self.low, lower), self.traded)

    def made(self, way: Way, proved: Sequence[Numbers]) -> Made | None:
        found = list(proved)
        upper = {name: np.full(self.count, np.inf) for name in way.semantics}
        lower = {name: np.full(self.count, -np.inf) for name in way.semantics}
        parts = [(upper, self.high, +1)] if len(self.high) else []
        parts += [(lower, groups, -1) for groups, _ in self._witnesses(self.low)]
        for kept, groups, sign in parts:
            numbers = found.pop(0)
            for name in way.semantics:
                kept[name][groups] = numbers[name] + sign * slack(numbers[name])
        above = np.all([upper[name][:, None] < lower[name] for name in way.semantics], axis=0)
        steps = np.zeros_like(above)
        if found:
            gained = found.pop(0)["real"]
            steps[tuple(self.traded[gained > SURE * np.abs(gained).max()].T)] = True
        follows = closure(above | steps)
        held = follows[tuple(self.pairs.T)]
        if not (held.all() if self.top else held.any()):
            return None
        needed = reduced(follows) & between(follows, self.pairs[held])
        traded = np.argwhere(needed & ~above)
        high = np.flatnonzero((needed & above).any(axis=1))
        low = np.union1d(np.flatnonzero((needed & above).any(axis=0)), traded[:, 0])
        draft = self._claims(way, (high, upper), (low, lower), traded)
        if self.top:
            draft.claim("top-k", group=np.array(self.top, np.int32))
        else:
            draft.claim("order", pairs=self.pairs[held].astype(np.int32))
        whole = bool(held.all())
        return Made(draft.encoded(), draft.semantics, whole, whole, pairs=self.pairs[held])

    def _claims(
        self,
        way: Way,
        high: tuple[np.ndarray, Numbers],
        low: tuple[np.ndarray, Numbers],
        traded: np.ndarray,
    ) -> Draft:
        """Upper bounds for some groups, witnesses for some, and exchanges."""
        sets, tree = self.query.groups.members, self.leaves if way.tree else None
        draft = Draft(self.query, sets, way, self.shift, tree)
        groups, upper = high
        if len(groups):
            numbers = {name: upper[name][groups] for name in way.semantics}
            draft.claim("groups", group=groups.astype(np.int32), upper=numbers)
        for groups, points in self._witnesses(low[0]):
            draft.claim(
                "witness",
                points=points,
                group=groups.astype(np.int32),
                row=self.rows[groups],
                lower={name: low[1][name][groups] for name in way.semantics},
            )
        if len(traded) and way.semantics == ("real",):
            draft.claim("exchange", pairs=traded.astype(np.int32))
        return draft

    def _witnesses(self, groups: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Groups and their points: one point for many, and others of their own."""
        many, single = groups[self.shared[groups]], groups[~self.shared[groups]]
        if len(many) == 1:  # alone it would have to hold the group still itself
            many, single = many[:0], groups
        parts = [(many, self.one), (single, self.own[single])]
        return [
            (some, coded(points, self.query.box.center, self.ends))
            for some, points in parts
            if len(some)
        ]


def between(above: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """The pairs of a transitive relation that lie on a chain from u to v for some pair (u, v)."""
    number = above.astype(np.float32)
    wanted = np.zeros_like(number)
    wanted[tuple(pairs.T)] = 1
    itself = number + np.eye(len(number), dtype=np.float32)
    return above & (itself.T @ wanted @ itself.T > 0)


def reduced(above: np.ndarray) -> np.ndarray:
    """The pairs of a transitive relation that follow from no two others."""
    number = above.astype(np.float32)
    return above & ~(number @ number > 0)


def _share(query: Query, pairs: np.ndarray) -> np.ndarray:
    """Pairs of groups with an input in common."""
    members = [set(group.tolist()) for group in query.groups.members]
    return np.array([not members[u].isdisjoint(members[v]) for u, v in pairs], dtype=bool)
