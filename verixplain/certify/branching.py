"""Branch and bound for what the rules leave open: where it is spent, and what it finds.

What a claim asks becomes numbers that a bound would be of use below: `U(B_u) < L(B_v)` decides a
pair, `U(B) < 0` the prediction. The tree splits where most of those are in the way, and its linear
bounds are largest at points that are good starts of an attack, so `L` rises with it.
"""

from dataclasses import replace

import numpy as np

from verixplain.attack.pgd import PGD, representable
from verixplain.bounds import Engine
from verixplain.bounds.split import Tree
from verixplain.certify.claim import Asked
from verixplain.certify.exchange import Raised
from verixplain.errors import SoundnessAlarm
from verixplain.explanation import Overlaps
from verixplain.query import Query


class Branching:
    """One tree for one query.

    Args:
        query: what was asked.
        overlaps: its enclosures, with the rows' bounds.
        device: where to compute.
        seed: of the attacks.

    Raises:
        UnsupportedBoundError: the network has no neurons to split.
    """

    def __init__(
        self, query: Query, overlaps: Overlaps, device: str = "auto", seed: int = 0
    ) -> None:
        self.query, self.seed, self.device = query, seed, device
        self.stopped = "exhausted"
        count = len(query.groups)
        rows = len(query.target.matrix(query.network.outputs)[0])
        upper = np.full((rows, count + 1), overlaps.upper)
        if overlaps.row_upper is not None:
            upper[:, :count] = np.minimum(upper[:, :count], overlaps.row_upper)
        if overlaps.box_row_upper is not None:
            upper[:, count] = np.minimum(upper[:, count], overlaps.box_row_upper)
        engine = Engine.of(query.network, "float64", device)
        self.tree = Tree(engine, query.box, query.groups, query.target, upper)

    def step(self, overlaps: Overlaps, open_: Asked, raised: Raised | None) -> Overlaps | None:
        """Grow the tree once and attack; the better enclosures, or None where nothing helps.

        Args:
            overlaps: the enclosures up to now.
            open_: what is still asked.
            raised: gets the rows' bounds.

        Raises:
            SoundnessAlarm: a witness lies above a bound.
        """
        if not self.tree.grow(self._wanted(overlaps, open_)):
            return None
        upper, rows, whole_rows = self.tree.upper, overlaps.row_upper, overlaps.box_row_upper
        whole = min(overlaps.upper, float(upper[:, -1].max()))
        found = self._attacked(
            replace(
                overlaps,
                upper=whole,
                group_upper=np.minimum(overlaps.group_upper, upper[:, :-1].max(axis=0)),
                row_upper=upper[:, :-1] if rows is None else np.minimum(rows, upper[:, :-1]),
                box_row_upper=(
                    upper[:, -1] if whole_rows is None else np.minimum(whole_rows, upper[:, -1])
                ),
            )
        )
        if not ((found.group_lower <= found.group_upper).all() and found.lower <= found.upper):
            raise SoundnessAlarm("a witness lies above a bound of the tree")
        if raised is not None:
            raised.group_lower = found.group_lower
            for row, bounds in enumerate(upper[:, :-1]):
                raised.lower(row, bounds)
        return found

    def _wanted(self, overlaps: Overlaps, open_: Asked) -> list[np.ndarray]:
        """For every group, the lower bounds that its upper one would have to be below."""
        lower = overlaps.group_lower
        wanted = [lower[pairs & (lower > lower[u])] for u, pairs in enumerate(open_.pairs)]
        below = open_.box and overlaps.lower < 0
        return [*wanted, np.array([0.0] if below else [])]

    def _attacked(self, overlaps: Overlaps) -> Overlaps:
        """Climb from where linear bounds are largest, where that beats a group's witness."""
        query, groups, points = self.query, self.tree.groups, self.tree.points
        if not len(groups):
            return overlaps
        low, high = representable(query.box.lower, query.box.upper, query.network.input_dtype)
        points = np.clip(points.astype(low.dtype), low, high)
        count = len(query.groups)
        held = np.vstack([query.groups.memberships(), np.zeros((1, points[0].size), bool)])
        center = query.box.center.astype(low.dtype)
        points = np.where(held[groups].reshape(points.shape), center, points)
        matrix, offsets = query.target.matrix(query.network.outputs)
        heights = (query.network(points) @ matrix.T + offsets).max(axis=1)
        known = np.append(overlaps.group_lower, overlaps.lower)
        lower, witness = overlaps.group_lower.copy(), overlaps.group_witness.copy()
        whole, best = overlaps.lower, overlaps.witness
        for u in np.unique(groups):
            mine = np.flatnonzero((groups == u) & (heights > known[u]))
            if not len(mine):
                continue
            start = points[mine[heights[mine].argmax()]]
            climbed = PGD(steps=10, restarts=1, seed=self.seed).run(
                query, held[u : u + 1], start, self.device
            )
            value, point = float(climbed.lower[0]), climbed.points[0]
            if value > known[u] and u < count:
                lower[u], witness[u] = value, point
            if value > whole:
                whole, best = value, point
        return replace(
            overlaps, lower=whole, witness=best, group_lower=lower, group_witness=witness
        )
