"""The sets of inputs that claims are about: a box, boxes around many inputs, faces of boxes."""

from dataclasses import dataclass, replace

import numpy as np

from .rounding import Array, down, up

Ends = tuple[Array, Array]


@dataclass(frozen=True)
class Region:
    """The sets S_u, u = 0 (nothing frozen), 1, 2, ...: free inputs lie in [lower, upper].

    The frozen ones lie in `still`. Of one box B, S_u is B_u and `still` is the center. Of the boxes
    of many inputs x', S_u holds every B_u(x'), and `still` every x'.
    """

    center: Array
    lower: Array
    upper: Array
    free: Array
    """(inputs, 1 + groups): 1 where an input may move."""
    still: Ends
    sure: Ends
    """Where every box lets an input be; there is no such place where these are out of order."""
    room: Ends
    """Offsets from x' that a worst point may have, at least and at most."""
    step: Ends
    """Offsets from x' that every box allows, at most and at least 0."""
    whole: Ends
    """S_0, and every other set lies in it too where intervals are made over this region."""
    shift: float | None = None
    """How far x' may be from the center in any input, where it may."""

    @classmethod
    def of(cls, center: Array, lower: Array, upper: Array, free: Array) -> "Region":
        """Of one box. What these differences are rounded by is paid for where they are used."""
        ends, offsets = (lower, upper), (lower - center, upper - center)
        return cls(center, lower, upper, free, (center, center), ends, offsets, offsets, ends)

    @classmethod
    def around(
        cls, center: Array, offsets: Ends, limits: Ends, shift: Array, free: Array
    ) -> "Region":
        """Of the boxes [x' + offsets], cut with the limits, of every x' in the limits and shift."""
        (fall, rise), (least, most) = offsets, limits
        begin, end = np.maximum(down(center - shift), least), np.minimum(up(center + shift), most)
        lower, upper = np.maximum(down(begin + fall), least), np.minimum(up(end + rise), most)
        sure = (
            np.maximum(up(up(center + fall) + shift), least),
            np.minimum(down(down(center + rise) - shift), most),
        )
        room = np.maximum(fall, down(least - end)), np.minimum(rise, up(most - begin))
        step = (
            np.maximum(fall, np.minimum(up(least - begin), 0.0)),
            np.minimum(rise, np.maximum(down(most - end), 0.0)),
        )
        far = float(shift.max())
        whole = lower, upper
        return cls(center, lower, upper, free, (begin, end), sure, room, step, whole, far)

    @property
    def where(self) -> str:
        """What goes before a sentence about the center and its box."""
        if self.shift is None:
            return ""
        return f"at every input of the range within {self.shift!r} of the center, in its box: "

    def face(self, lower: Array, upper: Array) -> "Region":
        """Of a face of one box; what is bounded over it starts from the hull with the center."""
        hull = np.minimum(lower, self.center), np.maximum(upper, self.center)
        step = hull[0] - self.center, hull[1] - self.center
        found = Region.of(self.center, lower, upper, self.free)
        return replace(found, step=step, whole=hull)

    def only(self, u: int) -> "Region":
        """S_u as a region of its own, without sets."""
        _, lower, upper = (ends[0] for ends in self.box(np.array([u])))
        return Region.of(self.center, lower, upper, np.ones((len(lower), 1)))

    def box(self, sets: Array) -> tuple[Array, Array, Array]:
        """Center, lower and upper ends, (sets, n)."""
        free = self.free.T[sets] > 0
        lower = np.where(free, self.lower, self.still[0])
        upper = np.where(free, self.upper, self.still[1])
        lower[sets == 0], upper[sets == 0] = self.whole
        return np.broadcast_to(self.center, free.shape), lower, upper
