"""Monotone faces: where a row's gradient has a sure sign, its worst point lies at an end.

If row r never falls in input i over a box, some worst point of r has that input at its upper end;
if it never rises, at the lower one. That holds on every `B_u` for the inputs that are not of u,
which stay at the center. So on each round the hull of the face and the center is a smaller box
that still holds the face of *every* group; bounds and gradients are made again over the hull,
more signs become sure there, and they hold for every group at once. (Signs found on the face
alone would not: `B_u` is not inside it.)

The exchange rule may use the gradients over the hull: the worst point may be taken on the face,
and giving up v and moving u stays in the hull.

Source: the single step is that of ReluVal (Wang et al. 2018, arXiv:1804.10829); for all groups at
once, and with the exchange rule, ours (design notes, section 5).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from verixplain.bounds import Engine
from verixplain.bounds.jacobian import Ends, Gradients, in_parts
from verixplain.bounds.parent import bound_groups
from verixplain.certify.exchange import Exchange, Raised, Reach, intervals
from verixplain.explanation import Overlaps
from verixplain.query import Box, Query, Target


@dataclass(frozen=True)
class Face:
    """Where one row's worst points may be looked for.

    Args:
        lower, upper: ends of the face, in the input's shape; every input of a frozen group is at
            the center instead.
        hull: the smallest box that holds the face and the center.
        values: rigorous intervals over the hull of every relaxed step's input.
    """

    lower: np.ndarray
    upper: np.ndarray
    hull: Box
    values: dict[str, Ends]

    def narrowed(self, found: Gradients, box: Box) -> "Face | None":
        """With the inputs at an end whose sign is sure over the hull; None where none is new."""
        shape = box.center.shape
        rises = (found.lower[0] >= 0).cpu().numpy().reshape(shape)
        falls = (found.upper[0] <= 0).cpu().numpy().reshape(shape) & ~rises
        open_ = self.lower < self.upper
        up, down = open_ & rises, open_ & falls
        if not (up | down).any():
            return None
        lower = np.where(up, self.upper, self.lower)
        upper = np.where(down, self.lower, self.upper)
        center = box.center
        hull = Box(center, np.minimum(lower, center), np.maximum(upper, center))
        return Face(lower, upper, hull, self.values)


class Faces:
    """Face after face of the rows of one query.

    Args:
        query: what was asked.
        overlaps: its enclosures.
        device: where to compute.
        rounds: how often a row's face is narrowed and bounded again at most.
    """

    def __init__(
        self, query: Query, overlaps: Overlaps, device: str = "auto", rounds: int = 4
    ) -> None:
        self.query, self.rounds = query, rounds
        self.engine = Engine.of(query.network, "float64", device)
        self.values = intervals(self.engine, query, overlaps)
        self.rule = Exchange(query.groups, self.engine.device)
        self.matrix, self.offsets = query.target.matrix(query.network.outputs)
        known = overlaps.box_row_upper
        self.box_upper = np.full(len(self.matrix), np.inf) if known is None else known.copy()

    @torch.no_grad()
    def row(self, row: int, raised: Raised, stop: Callable[[], bool] = lambda: False) -> None:
        """Bound one row on its faces, and try the exchange rule on the last one's hull.

        Args:
            row: its number.
            raised: where better bounds and the pairs found are kept.
            stop: asked between rounds; what was found until then stays.
        """
        box, engine = self.query.box, self.engine
        face: Face | None = Face(box.lower, box.upper, box, self.values)
        target = Target.rows(self.matrix[row : row + 1], self.offsets[row : row + 1])
        for _ in range(self.rounds):
            face = face.narrowed(self._gradients(row, face), box)
            if face is None or stop():
                return
            ends = face.lower, face.upper
            found = bound_groups(engine, face.hull, self.query.groups, target, face=ends)
            raised.lower(row, found.rows[0])
            self.box_upper[row] = min(self.box_upper[row], found.parent[0])
            face = Face(*ends, face.hull, _cut(face.values, found.values))
            gradients = self._gradients(row, face)
            reach = Reach.of(face.hull, ends, engine.device)
            raised.add(row, self.rule.row(gradients, 0, reach).cpu().numpy())
            if stop():
                return

    def _gradients(self, row: int, face: Face) -> Gradients:
        engine = self.engine
        rows = engine.tensor(self.matrix[row]).reshape(1, *engine.exact.shapes[engine.exact.output])
        parts = in_parts(engine.exact, rows, face.values, engine.memory() // 4)
        return next(iter(parts))[1]


def _cut(known: dict[str, Ends], found: Mapping[str, Ends]) -> dict[str, Ends]:
    """Both hold over the smaller box."""
    cut = {}
    for name, (low, high) in known.items():
        lower, upper = found[name]
        cut[name] = torch.maximum(low, lower), torch.minimum(high, upper)
    return cut
