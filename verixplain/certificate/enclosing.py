"""Certificates of a map: between which numbers the overlap of the box and of every group lies."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from verixplain.attack.pgd import representable
from verixplain.bounds import lower_at
from verixplain.certificate.draft import Draft, Way, coded
from verixplain.certificate.made import Made, Numbers, slack
from verixplain.errors import SoundnessAlarm
from verixplain.explanation import Overlaps
from verixplain.query import Query


class Enclosing:
    """Upper bounds and witnesses of the box and of every B_u, over the reals.

    Args:
        query: what was asked.
        overlaps: its enclosures.
    """

    def __init__(self, query: Query, overlaps: Overlaps) -> None:
        self.query, self.overlaps = query, overlaps
        box, count = query.box, len(query.groups)
        self.group = np.arange(-1, count, dtype=np.int32)  # -1 is the box
        held = np.concatenate([np.zeros((1, box.center.size), bool), query.groups.memberships()])
        points = np.concatenate([overlaps.witness[None], overlaps.group_witness])
        points = np.clip(points, *representable(box.lower, box.upper, np.float32))
        points = np.where(held.reshape(points.shape), box.center, points).astype(np.float32)
        rows = lower_at(query.network, points, query.target)
        self.row, self.lower = rows.argmax(axis=1).astype(np.int32), rows.max(axis=1)
        self.upper = np.concatenate([[overlaps.upper], overlaps.group_upper])
        self.points = coded(points.reshape(count + 1, -1), box.center, (box.lower, box.upper))

    def takes(self, way: Way) -> bool:
        """Over the reals alone: the margins of float32 are wider than many an interval."""
        return way == Way(("real",))

    def draft(self, way: Way) -> Draft:
        return self._claims(way, {"real": self.upper}, {"real": self.lower})

    def made(self, way: Way, proved: Sequence[Numbers]) -> Made | None:
        upper, lower = (numbers["real"] for numbers in proved)
        upper, lower = upper + slack(upper), lower - slack(lower)
        if not (lower <= upper).all():
            raise SoundnessAlarm("the checker derived an upper bound below one of its witnesses")
        draft = self._claims(way, {"real": upper}, {"real": lower})
        overlaps = replace(
            self.overlaps,
            lower=float(lower[0]),
            upper=float(upper[0]),
            group_lower=lower[1:],
            group_upper=upper[1:],
        )
        return Made(draft.encoded(), draft.semantics, whole=True, overlaps=overlaps)

    def _claims(self, way: Way, upper: Numbers, lower: Numbers) -> Draft:
        draft = Draft(self.query, self.query.groups.members, way)
        draft.claim("groups", group=self.group, upper=upper)
        draft.claim("witness", points=self.points, group=self.group, row=self.row, lower=lower)
        return draft
