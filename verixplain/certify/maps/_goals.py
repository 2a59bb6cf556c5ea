"""What may be asked of a map that lies in a region: the same largest scores, the same sign.

A goal is made at the input itself; `holds` is then asked of regions, and `broken` of the region
of a single point. A region holds every choice of derivatives at kinks, so both are about all of
them.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from verixplain.bounds.enclosure import UNIT64, gamma
from verixplain.certify.maps._arithmetic import Region, size

_TINY = 2.0**-1000

_PAIRS = 32
"""Pairs that linear bounds are made for together."""


class Goal(Protocol):
    """What is to hold of the map everywhere in a box."""

    def holds(self, region: Region) -> bool:
        """Whether it holds of every map in the region."""
        ...

    def open(self, region: Region) -> Tensor:
        """Weighed sums of scores that would have to be negative, some of them: (n, features)."""
        ...

    def broken(self, point: Region) -> bool:
        """Whether it holds of none."""
        ...

    def loss(self, scores: Tensor) -> Tensor:
        """Positive where scores (batch, features) break it: (batch,)."""
        ...


def sizes(region: Region) -> tuple[Tensor, Tensor]:
    """The least and the largest `|score|`: (features,) each."""
    low, high = region.lower[0], region.upper[0]
    least = torch.maximum(low, -high).clamp(min=0)
    return least, torch.maximum(low.abs(), high.abs())


def beats(region: Region, members: Tensor, sign: Tensor) -> Tensor:
    """Pairs (member, feature) of which the member's score, with its sign, is above `|score|`.

    From the ends of the intervals; or from the difference and the sum of the two scores, in which
    what moves both cancels: `|v| < u` is `v < u` and `-v < u`.

    Args:
        region: of one row.
        members: numbers of features.
        sign: of the members' scores, 1 or -1.
    """
    _, most = sizes(region)
    ends = sign * region.lower[0, members], sign * region.upper[0, members]
    sure = torch.minimum(*ends)[:, None] > most[None]
    centre, symbols, rest = region.centre[0], region.symbols[0], region.rest[0]
    slack = 4 * gamma(len(symbols) + 8, UNIT64) * size(region)[0] + _TINY
    lost = (rest + slack) * (1 + 8 * UNIT64)
    lost = (lost[members][:, None] + lost[None]) * (1 + 8 * UNIT64)
    mine = sign[:, None] * symbols[:, members].T
    above = torch.ones_like(sure)
    for other in (1.0, -1.0):
        shared = torch.cdist(mine, other * symbols.T, p=1.0) if len(symbols) else 0.0
        gap = (sign * centre[members])[:, None] - other * centre[None]
        above &= gap - shared - lost > 0
    return sure | above


def signs(start: Region, members: Tensor) -> Tensor:
    """Of the members' scores at a point: 1 or -1."""
    return torch.where(start.centre[0, members] > 0, 1.0, -1.0).to(start.centre)


@dataclass(frozen=True, eq=False)
class TopK:
    """The largest scores, in size, are those of `members`.

    It is proved with the members' signs at the input, so that what holds of some maps holds of
    every mean of them.
    """

    members: Tensor
    sign: Tensor

    @classmethod
    def at(cls, start: Region, k: int) -> "TopK | None":
        """Of a point's scores; None where it is not sure which they are."""
        least, _ = sizes(start)
        members = least.argsort(descending=True, stable=True)[:k].sort().values
        goal = cls(members, signs(start, members))
        return goal if goal.holds(start) else None

    def others(self, count: int) -> Tensor:
        """The features that are not members."""
        others = torch.ones(count, dtype=torch.bool, device=self.members.device)
        others[self.members] = False
        return others.nonzero().flatten()

    def holds(self, region: Region) -> bool:
        pairs = self._open(region)
        if not len(pairs) or region.above is None:
            return not len(pairs)
        sums = (self._sums(region, part) for part in pairs.split(_PAIRS))
        return all(bool((region.above(part, 0) < 0).all()) for part in sums)

    def open(self, region: Region) -> Tensor:
        return self._sums(region, self._open(region)[:_PAIRS])

    def _open(self, region: Region) -> Tensor:
        """Pairs (place of a member, number of another) that are open, the largest others first."""
        others, most = self.others(region.lower.shape[1]), sizes(region)[1]
        found = (~beats(region, self.members, self.sign)[:, others]).nonzero()
        pairs = torch.stack([found[:, 0], others[found[:, 1]]], 1)
        return pairs[most[pairs[:, 1]].argsort(descending=True)]

    def _sums(self, region: Region, pairs: Tensor) -> Tensor:
        """Weights of `v - u` and `-v - u`, u with its sign at the input, of every pair."""
        member, other = pairs.T.repeat(1, 2)
        places = torch.arange(len(member), device=pairs.device)
        weights = region.lower.new_zeros(len(member), region.lower.shape[1])
        weights[places, self.members[member]] = -self.sign[member]
        weights[places, other] = torch.where(places < len(pairs), 1.0, -1.0).to(weights)
        return weights

    def broken(self, point: Region) -> bool:
        least, most = sizes(point)
        others = self.others(len(least))
        return len(others) > 0 and bool(least[others].max() > most[self.members].min())

    def loss(self, scores: Tensor) -> Tensor:
        found = scores.abs()
        others = self.others(scores.shape[1])
        return found[:, others].amax(1) - found[:, self.members].amin(1)


@dataclass(frozen=True, eq=False)
class Sign:
    """The score of one feature keeps its sign.

    Args:
        feature: its number.
        sign: 1 or -1.
    """

    feature: int
    sign: int

    @classmethod
    def at(cls, start: Region) -> "Sign | None":
        """Of the feature whose score is largest at a point; None where its sign is not sure."""
        least, most = sizes(start)
        feature = int(most.argmax())
        if not least[feature] > 0:
            return None
        return cls(feature, 1 if start.lower[0, feature] > 0 else -1)

    def holds(self, region: Region) -> bool:
        low, high = region.lower[0, self.feature], region.upper[0, self.feature]
        if bool(low > 0 if self.sign > 0 else high < 0):
            return True
        return region.above is not None and bool(region.above(self.open(region), 0) < 0)

    def open(self, region: Region) -> Tensor:
        weights = torch.zeros_like(region.lower)
        weights[0, self.feature] = -self.sign
        return weights

    def broken(self, point: Region) -> bool:
        low, high = point.lower[0, self.feature], point.upper[0, self.feature]
        return bool(high <= 0 if self.sign > 0 else low >= 0)

    def loss(self, scores: Tensor) -> Tensor:
        return -self.sign * scores[:, self.feature]


@dataclass(frozen=True)
class Change:
    """How much a map may change from that at the input.

    Args:
        linf, l2: at most.
        cosine: of the two maps, at least.
        members: numbers of the k largest scores.
        above: pairs (member, feature) of which the first certainly stays above the second.
    """

    linf: float
    l2: float
    cosine: float
    members: Tensor
    above: Tensor

    def worst(self, other: "Change") -> "Change":
        """Of two parts together, and of every mean of a map of one and a map of the other."""
        cosine = min(self.cosine, other.cosine)
        return Change(
            max(self.linf, other.linf),
            max(self.l2, other.l2),
            cosine if cosine >= 0 else -1.0,  # only then is what has this cosine convex
            self.members,
            self.above & other.above,
        )

    @property
    def kept(self) -> int:
        """How many of the k largest scores stay among the k largest, at least.

        A member that all but k - 1 features lie below stays; a feature that all members lie
        above cannot come in.
        """
        k, outside = len(self.members), torch.ones_like(self.above[0])
        outside[self.members] = False
        stays = int(((~self.above).sum(1) < k).sum())
        enters = int((~self.above.all(0) & outside).sum())
        return max(stays, k - enters, 0)

    @classmethod
    def over(cls, region: Region, start: Region, members: Tensor) -> "Change":
        """Over one box.

        Args:
            region: where the scores lie.
            start: where those of the input lie.
            members: its k largest.
        """
        low, high, a, b = region.lower[0], region.upper[0], start.lower[0], start.upper[0]
        moved = torch.maximum(high - a, b - low).clamp(min=0) * (1 + 4 * UNIT64) + _TINY
        slack = 8 * gamma(len(low) + 16, UNIT64)
        l2 = float((moved**2).sum().sqrt()) * (1 + slack)
        above = beats(region, members, signs(start, members))
        above[torch.arange(len(members)), members] = True
        return cls(float(moved.max()), l2, _cosine(region, start, l2), members, above)


def _cosine(region: Region, start: Region, l2: float) -> float:
    """At least this is the cosine: from the sides of the box, or from the distance."""
    slack = 16 * gamma(region.lower.shape[1] + 16, UNIT64)
    (near, far), (_, most) = sizes(start), sizes(region)
    own, longest = float((near**2).sum().sqrt()) * (1 - slack), float((most**2).sum().sqrt())
    if not own > 0:
        return -1.0
    corners = [p * q for p in (start.lower, start.upper) for q in (region.lower, region.upper)]
    products = torch.stack(corners).amin(0)[0]
    inner = float(products.sum()) - slack * float(products.abs().sum())
    bounds = [-1.0]
    if inner > 0:
        whole = longest * float((far**2).sum().sqrt()) * (1 + slack)
        bounds.append(inner / whole * (1 - slack))
    if l2 < own:
        bounds.append((1 - (l2 / own) ** 2 * (1 + slack)) ** 0.5 * (1 - slack))
    return max(bounds)
