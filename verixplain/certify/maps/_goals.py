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


class Goal(Protocol):
    """What is to hold of the map everywhere in a box."""

    def holds(self, region: Region) -> bool:
        """Whether it holds of every map in the region."""
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


def beats(region: Region, members: Tensor) -> Tensor:
    """Pairs (member, feature) of which the member's `|score|` is certainly the larger.

    From the ends of the intervals; or, where the member's sign is sure, from the difference and
    the sum of the two scores, in which what moves both cancels: `|v| < u` is `v < u` and
    `-v < u`.
    """
    least, most = sizes(region)
    sure = least[members][:, None] > most[None]
    centre, symbols, rest = region.centre[0], region.symbols[0], region.rest[0]
    sign = torch.sign(region.lower[0] + region.upper[0])[members]
    signed = least[members] > 0
    slack = 4 * gamma(len(symbols) + 8, UNIT64) * size(region)[0] + _TINY
    lost = (rest + slack) * (1 + 8 * UNIT64)
    lost = (lost[members][:, None] + lost[None]) * (1 + 8 * UNIT64)
    mine = sign[:, None] * symbols[:, members].T
    above = signed[:, None].expand_as(sure).clone()
    for other in (1.0, -1.0):
        shared = torch.cdist(mine, other * symbols.T, p=1.0) if len(symbols) else 0.0
        gap = (sign * centre[members])[:, None] - other * centre[None]
        above &= gap - shared - lost > 0
    return sure | above


@dataclass(frozen=True, eq=False)
class TopK:
    """The largest scores, in size, are those of `members`."""

    members: Tensor

    @classmethod
    def at(cls, start: Region, k: int) -> "TopK | None":
        """Of a point's scores; None where it is not sure which they are."""
        least, _ = sizes(start)
        goal = cls(least.argsort(descending=True, stable=True)[:k].sort().values)
        return goal if goal.holds(start) else None

    def others(self, count: int) -> Tensor:
        """The features that are not members."""
        others = torch.ones(count, dtype=torch.bool, device=self.members.device)
        others[self.members] = False
        return others.nonzero().flatten()

    def holds(self, region: Region) -> bool:
        others = self.others(region.lower.shape[1])
        return bool(beats(region, self.members)[:, others].all())

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
        return bool(low > 0 if self.sign > 0 else high < 0)

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
        kept: how many of the k largest scores stay among the k largest, at least.
    """

    linf: float
    l2: float
    cosine: float
    kept: int

    def worst(self, other: "Change") -> "Change":
        """Of two boxes together."""
        return Change(
            max(self.linf, other.linf),
            max(self.l2, other.l2),
            min(self.cosine, other.cosine),
            min(self.kept, other.kept),
        )

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
        return cls(float(moved.max()), l2, _cosine(region, start, l2), _kept(region, members))


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


def _kept(region: Region, members: Tensor) -> int:
    """How many members stay among as many largest, at least.

    A member that all but k - 1 features lie below stays; a feature that all members lie above
    cannot come in.
    """
    k = len(members)
    above = beats(region, members)
    above[torch.arange(k), members] = True
    stays = int(((~above).sum(1) < k).sum())
    outside = torch.ones(above.shape[1], dtype=torch.bool, device=above.device)
    outside[members] = False
    enters = int((~above.all(0) & outside).sum())
    return max(stays, k - enters, 0)
