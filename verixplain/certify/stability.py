"""Which order of groups holds at every input near the one explained: rule 6.

Every input `x'` of the data range with `|x'_i - x_i| <= r` has a box of its own: the offsets of
the box around x, before it was cut, around x', and cut with the range. The groups stay.

`U(u)` bounds the overlap over all those boxes with u frozen, wherever x' holds it. `L(v)` rests
on one point: an input that every such box lets be there is put there, every other one, and all of
v, may be anywhere that x' can be; the least overlap of what remains is what every x' reaches. The
exchange rule uses the least room that a move has at any x', and the most that giving up costs.

Source: ours (design notes, rule 6 and section 5).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from verixplain.bounds import Engine, bound
from verixplain.bounds.enclosure import Interval, enclose
from verixplain.bounds.jacobian import Ends, in_parts
from verixplain.bounds.parent import GroupBounds, bound_groups
from verixplain.certify.exchange import Exchange, Raised, Reach
from verixplain.certify.order import closure
from verixplain.errors import SettingError
from verixplain.query import Box, Query

Sides = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, eq=False)
class Moved:
    """A box and all those around inputs near its center.

    Args:
        hull: holds every box.
        still: where x' lies, and with it every frozen input.
        sure: where every box lets an input be; its ends are out of order where there is no
            such place.
        reach: the room of moves: the least in gain, the largest in loss.
    """

    hull: Box
    still: Sides
    sure: Sides
    reach: Reach

    @classmethod
    def of(cls, box: Box, shift: float, device: str = "cpu") -> "Moved":
        """All boxes around inputs within `shift` of a box's center.

        Raises:
            SettingError: the shift is negative or no number.
        """
        if not 0 <= shift < np.inf:
            raise SettingError(f"the shift must be a number and not negative, but is {shift!r}")
        x, (low, high), (least, most) = box.center, offsets(box), data_range(box)
        still = np.maximum(_down(x - shift), least), np.minimum(_up(x + shift), most)
        lower = np.minimum(np.maximum(_down(still[0] + low), least), box.lower)
        upper = np.maximum(np.minimum(_up(still[1] + high), most), box.upper)
        begin = np.maximum(_up(_up(x + low) + shift), least)
        end = np.minimum(_down(_down(x + high) - shift), most)
        # An input that cannot move gains nothing and costs nothing, whatever rounding says.
        room_up = np.where(high > 0, _up(most - still[0]), 0.0)
        room_down = np.where(low < 0, _up(still[1] - least), 0.0)
        sure_up = np.minimum(high, np.maximum(0.0, _down(most - still[1])))
        sure_down = np.minimum(-low, np.maximum(0.0, _down(still[0] - least)))

        def tensor(values: np.ndarray) -> torch.Tensor:
            return torch.as_tensor(values.ravel(), dtype=torch.float64, device=device)

        reach = Reach(
            tensor(-np.minimum(-low, room_down)),
            tensor(np.minimum(high, room_up)),
            tensor(-sure_down),
            tensor(sure_up),
        )
        return cls(Box(x, lower, upper), still, (begin, end), reach)

    def fixed(self, query: Query) -> np.ndarray:
        """Inputs that a witness of each B_v can put to one place for all x': (groups, *input)."""
        held = query.groups.memberships().reshape(-1, *self.sure[0].shape)
        return ~held & (self.sure[0] <= self.sure[1])

    def put(self, points: np.ndarray) -> np.ndarray:
        """The nearest points that every box holds."""
        return np.clip(points, self.sure[0], np.maximum(*self.sure))


def offsets(box: Box) -> Sides:
    """How far inputs move around any center, before the box is cut: at most 0, at least 0."""
    if box.radius is not None:
        radius = np.broadcast_to(box.radius, box.center.shape)
        return -radius, radius
    low, high = box.lower - box.center, box.upper - box.center
    return np.where(low < 0, _down(low), 0.0), np.where(high > 0, _up(high), 0.0)


def data_range(box: Box) -> Sides:
    """The data range; without one, everything."""
    clip = (-np.inf, np.inf) if box.clip is None else box.clip
    least, most = (np.broadcast_to(end, box.center.shape) for end in clip)
    return least, most


class Stability:
    """The order at every input near the one explained.

    Args:
        query: what was asked.
        witnesses: good points of every B_u, (groups, *input shape).
        device: where to compute.
        method: bound method of single boxes.
    """

    def __init__(
        self, query: Query, witnesses: np.ndarray, device: str = "auto", method: str = "crown-ibp"
    ) -> None:
        self.query, self.witnesses, self.method = query, witnesses, method
        self.engine = Engine.of(query.network, "float64", device)
        self.rule = Exchange(query.groups, self.engine.device)
        self.matrix, _ = query.target.matrix(query.network.outputs)

    @torch.no_grad()
    def above(
        self, shift: float, asked: np.ndarray, stop: Callable[[], bool] = lambda: False
    ) -> np.ndarray:
        """Pairs (u, v) with `I(u) > I(v)` at every x': (groups, groups).

        Args:
            shift: how far x' may be from the input, in every number.
            asked: (groups, groups), the pairs that are of interest; others may be found too.
            stop: asked after every row; what was found until then stays.

        Raises:
            SoundnessAlarm: numbers that contradict each other.
        """
        moved = Moved.of(self.query.box, shift, self.engine.device)
        found = self.upper(moved)
        lower = np.full(len(self.query.groups), -np.inf)
        chosen = np.flatnonzero(asked.any(axis=0) | asked.any(axis=1))
        lower[chosen] = self.lower(moved, self.witnesses[chosen], chosen).max(axis=1)
        raised = Raised(found.rows, lower)
        plain = found.rows.max(axis=0)[:, None] < lower[None]
        if not (asked & ~closure(plain)).any() or stop():
            return closure(plain)
        values, rows = self._values(moved.hull, found), raised.asked()
        coefficients = self.engine.tensor(self.matrix[rows])
        exact = self.engine.exact
        coefficients = coefficients.reshape(-1, *exact.shapes[exact.output])
        for start, part in in_parts(exact, coefficients, values, self.engine.memory() // 4):
            for number in range(len(part.lower)):
                more = self.rule.row(part, number, moved.reach).cpu().numpy()
                raised.add(rows[start + number], more)
                if stop():
                    break
        return closure(plain | raised.above())

    def decision(self, shift: float) -> float:
        """An upper bound of the overlap at every x' itself: negative, the decision is the same."""
        still = Moved.of(self.query.box, shift).still
        low, high = still[0][None], still[1][None]
        found = bound(self.query.network, low, high, self.query.target, device=self.engine.device)
        return float(found.overlap_upper[0])

    def upper(self, moved: Moved) -> GroupBounds:
        """Upper bounds over all B_u of every x'."""
        query = self.query
        return bound_groups(self.engine, moved.hull, query.groups, query.target, held=moved.still)

    def lower(self, moved: Moved, witnesses: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        """What each row is at least at some point of B_v, wherever x' is: (chosen, rows).

        Args:
            moved: where x' and its boxes lie.
            witnesses: good points of B_v for each chosen group.
            chosen: the groups.
        """
        (low, high), fixed = moved.still, moved.fixed(self.query)[chosen]
        points = moved.put(witnesses)
        ends = np.where(fixed, points, low), np.where(fixed, points, high)
        found = bound(
            self.query.network, *ends, self.query.target, self.method, device=self.engine.device
        )
        return found.lower

    def _values(self, hull: Box, found: GroupBounds) -> dict[str, Ends]:
        """Rigorous intervals over the hull of every relaxed step's input."""
        engine = self.engine
        low, high = engine.tensor(hull.lower)[None], engine.tensor(hull.upper)[None]
        plain = enclose(engine.exact, low, high)
        cut = {name: plain[name].cut(Interval(*found.values[name])) for name in found.values}
        return {name: (one.lower, one.upper) for name, one in cut.items()}


def _down(values: np.ndarray) -> np.ndarray:
    return np.nextafter(values, -np.inf)


def _up(values: np.ndarray) -> np.ndarray:
    return np.nextafter(values, np.inf)
