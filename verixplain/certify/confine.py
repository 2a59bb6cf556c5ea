"""Faces and exchange where a worst point can be: above the floor that an attack has reached.

Let `floor` be a number that the overlap of `B_u` reaches, and a point of `B_u` be a worst one,
its overlap attained by row r. Then row r is at least `floor` there. Both rules start at that point
and move along lines on which their bounds say that the row does not fall. So it stays at least
`floor` all the way (where it did not, there would be a first place to leave; but around that place
the bounds hold too, since they are made for a floor a little lower), and gradients need to be
bounded only there, not over the whole box. That is what `Superlevel` does: deep neurons, which see
most of the input, are seldom open there.

What stays open is split: the pieces cover all points above the floor. A sign is sure, and an input
goes to an end, where it is so on every piece; a trade counts where one and the same move raises the
row on every piece (the way may lead from one piece to another).

Groups differ in what they reach, so floors are raised from the most important group to the least;
what covers all points above a floor covers those above a higher one.

Source: ours; cutting off what is below a known value is bound tightening by the objective, as in
global optimisation.
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch

from verixplain.bounds import Engine
from verixplain.bounds.jacobian import Gradients, in_parts
from verixplain.bounds.superlevel import Piece, Superlevel, Tight
from verixplain.certify.exchange import Exchange, Raised, Reach, intervals
from verixplain.explanation import Overlaps
from verixplain.query import Box, Query

_FLOORS = 2
"""Floors of one row."""
_PIECES = 64
"""Pieces of a cover at most."""


class Cover:
    """Pieces that hold every point of a box where one row is at least a floor.

    Attributes:
        lower, upper: ends of the face on which a worst point lies, but for what a group freezes.
        raised: pairs (u, v) for which trading v for u raises the row, where `B_u` reaches the
            floor, (groups, groups).
        group_upper, box_upper: bounds of the row over every B_u and over B.
    """

    def __init__(
        self, query: Query, engine: Engine, rule: Exchange, row: int, floor: float
    ) -> None:
        self.query, self.engine, self.rule = query, engine, rule
        matrix, offsets = query.target.matrix(query.network.outputs)
        shape = engine.exact.shapes[engine.exact.output]
        self.row = engine.tensor(matrix[row]).reshape(1, *shape)
        # A little lower than what is reached: bounds hold around every point above the floor.
        self.offset, self.floor = float(offsets[row]), float(np.nextafter(floor, -np.inf))
        self.lower, self.upper = query.box.lower, query.box.upper
        self.raised = np.zeros((rule.count, rule.count), dtype=bool)
        self.group_upper, self.box_upper = np.full(rule.count, np.inf), np.inf
        held = np.vstack([query.groups.memberships(), np.zeros((1, rule.inputs), dtype=bool)])
        self.held = torch.as_tensor(held, device=engine.device)
        self.pieces: list[tuple[Tight, Gradients]] = []

    @classmethod
    def of(
        cls,
        query: Query,
        overlaps: Overlaps,
        engine: Engine,
        rule: Exchange,
        row: int,
        floor: float,
    ) -> "Cover":
        """One piece: the box."""
        cover = cls(query, engine, rule, row, floor)
        cover._settle([Piece(intervals(engine, query, overlaps))])
        return cover

    def higher(self, row: int, floor: float) -> "Cover":
        """Those of its pieces that hold points above a higher floor."""
        cover = Cover(self.query, self.engine, self.rule, row, floor)
        cover.lower, cover.upper = self.lower, self.upper
        cover._settle([piece for piece, _ in self.pieces])
        return cover

    def split(self) -> bool:
        """Split half of the pieces, the oldest; whether any could be."""
        can = [k for k, (piece, _) in enumerate(self.pieces) if piece.dearest is not None]
        if not can or len(self.pieces) >= _PIECES:
            return False
        chosen = can[: (len(can) + 1) // 2]
        rest = [pair for k, pair in enumerate(self.pieces) if k not in set(chosen)]
        halves = [half for k in chosen for half in self.pieces[k][0].halves()]
        self.pieces = rest
        self._settle(halves)
        return True

    def _settle(self, fresh: list[Piece]) -> None:
        """Take new pieces, and narrow the face until no sign is new."""
        while True:
            level = self._level()
            for piece in fresh:
                tight = self._tight(level, piece)
                if tight is not None:
                    self.pieces.append((tight, self._gradients(tight)))
            self._bounds()
            if not self.pieces or not self._narrowed():
                return
            fresh, self.pieces = [piece for piece, _ in self.pieces], []

    def _level(self) -> Superlevel:
        hull, tensor = self._hull(), self.engine.tensor
        ends = tensor(hull.lower), tensor(hull.upper)
        return Superlevel(self.engine, *ends, self.row, self.offset, self.floor)

    def _hull(self) -> Box:
        """The smallest box that holds the face and the center."""
        center = self.query.box.center
        return Box(center, np.minimum(self.lower, center), np.maximum(self.upper, center))

    def _tight(self, level: Superlevel, piece: Piece) -> Tight | None:
        found = level.within(piece)
        return found and level.tightened(found)

    def _gradients(self, piece: Piece) -> Gradients:
        parts = in_parts(self.engine.exact, self.row, piece.values, self.engine.memory() // 4)
        return next(iter(parts))[1]

    def _narrowed(self) -> bool:
        """Put inputs whose sign is sure on every piece to an end; whether there were any."""
        shape = self.lower.shape
        low = torch.stack([found.lower[0] for _, found in self.pieces]).amin(0).cpu().numpy()
        high = torch.stack([found.upper[0] for _, found in self.pieces]).amax(0).cpu().numpy()
        open_ = self.lower < self.upper
        up = open_ & (low >= 0).reshape(shape)
        down = open_ & (high <= 0).reshape(shape) & ~up
        self.lower = np.where(up, self.upper, self.lower)
        self.upper = np.where(down, self.lower, self.upper)
        return bool((up | down).any())

    def _bounds(self) -> None:
        """What the pieces say: where there is none, the row stays below the floor."""
        most = np.full(self.rule.count + 1, self.floor)
        level = self._level()
        for piece, _ in self.pieces:
            most = np.maximum(most, self._most(level, piece))
        self.group_upper = np.minimum(self.group_upper, most[:-1])
        self.box_upper = min(self.box_upper, float(most[-1]))
        if self.pieces:
            reach = Reach.of(self._hull(), (self.lower, self.upper), self.engine.device)
            found = self.rule.common([found for _, found in self.pieces], 0, reach)
            self.raised |= found.cpu().numpy()
        else:
            self.raised[:] = True

    def _most(self, level: Superlevel, piece: Tight) -> np.ndarray:
        """The row's upper bounds on a piece's part of the face: of every B_u, and of B."""
        tensor = self.engine.tensor
        lower, upper, center = (
            tensor(one).flatten() for one in (self.lower, self.upper, self.query.box.center)
        )
        ends = (torch.where(self.held, center, end) for end in (lower, upper))
        return level.most(piece, *ends).cpu().numpy()


class Confined:
    """Covers of the rows of one query, floor by floor.

    Args:
        query: what was asked.
        overlaps: its enclosures, with the rows' bounds.
        device: where to compute.
    """

    def __init__(self, query: Query, overlaps: Overlaps, device: str = "auto") -> None:
        self.query, self.overlaps = query, overlaps
        self.engine = Engine.of(query.network, "float64", device)
        self.rule = Exchange(query.groups, self.engine.device)
        rows, _ = query.target.matrix(query.network.outputs)
        self.box_upper = np.full(len(rows), np.inf)
        self.covers: dict[tuple[int, float], Cover] = {}

    @torch.no_grad()
    def steps(self, raised: Raised, wanted: Callable[[], np.ndarray]) -> Iterator[None]:
        """Cover row after row, then split; what is found goes to `raised` before every yield.

        Args:
            raised: the rows' bounds and pairs up to now.
            wanted: pairs (u, v) that are still to be decided, (groups, groups).
        """
        floors = self._floors(raised, wanted())
        for row in raised.asked():
            cover = None
            for floor in floors:
                cover = self._first(row, floor) if cover is None else cover.higher(row, floor)
                self.covers[row, floor] = cover
                self._keep(row, floor, cover, raised)
                yield
        alive = set(self.covers)
        while alive:
            useful = sorted(key for key in alive if self._useful(key[1], floors, raised, wanted()))
            if not useful:
                return
            for row, floor in useful:
                cover = self.covers[row, floor]
                if not cover.split():
                    alive.discard((row, floor))
                    continue
                self._keep(row, floor, cover, raised)
                yield

    def _useful(
        self, floor: float, floors: list[float], raised: Raised, wanted: np.ndarray
    ) -> bool:
        """Whether a group that reaches this floor, and no higher one, is in a pair still open."""
        top = min((one for one in floors if one > floor), default=np.inf)
        mine = (raised.group_lower >= floor) & (raised.group_lower < top)
        return bool(wanted[mine].any())

    def _first(self, row: int, floor: float) -> Cover:
        return Cover.of(self.query, self.overlaps, self.engine, self.rule, row, floor)

    def _floors(self, raised: Raised, wanted: np.ndarray) -> list[float]:
        """What groups of undecided pairs reach: from the least up, a few of them."""
        lower = raised.group_lower
        known = np.unique(lower[wanted.any(axis=1)])
        places = np.linspace(0, len(known), min(_FLOORS, len(known)), endpoint=False)
        return known[places.astype(int)].tolist()

    def _keep(self, row: int, floor: float, cover: Cover, raised: Raised) -> None:
        raised.lower(row, cover.group_upper)
        self.box_upper[row] = min(self.box_upper[row], cover.box_upper)
        reached = raised.group_lower >= floor
        raised.add(row, cover.raised & reached[:, None])
