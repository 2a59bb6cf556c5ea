"""Certificates that a decision stands."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from verixplain.bounds.split import Tree
from verixplain.certificate.draft import Draft, Leaves, Way
from verixplain.certificate.leaves import leaves
from verixplain.certificate.made import WEAKER, Made, Numbers, slack
from verixplain.certify.claim import Stands
from verixplain.query import Query

OUT_OF_REACH = 1e20


class Decision:
    """The overlap is negative wherever some inputs stay at the center."""

    def __init__(self, query: Query, stands: Stands, tree: Tree | None) -> None:
        self.query, self.target, self.tree = query, query.target, tree
        self.sets = [stands.frozen] if len(stands.frozen) else []
        self.rows = len(query.target.matrix(query.network.outputs)[0])

    @cached_property
    def leaves(self) -> Leaves | None:
        """Leaves of the whole box, where that is what is claimed."""
        if self.sets or self.tree is None:
            return None
        enough = np.full_like(self.tree.upper, np.inf)
        enough[:, -1] = -WEAKER
        return leaves(self.query, self.tree, enough)

    def takes(self, way: Way) -> bool:
        return not way.tree or self.leaves is not None

    def draft(self, way: Way) -> Draft:
        one = self.sets or way.faces or way.tree
        guess = np.full(1 if one else self.rows, -OUT_OF_REACH)
        return self._claims(way, dict.fromkeys(way.semantics, guess))

    def made(self, way: Way, proved: Sequence[Numbers]) -> Made | None:
        upper = {name: numbers + slack(numbers) for name, numbers in proved[0].items()}
        bounds = {name: float(numbers.max()) for name, numbers in upper.items()}
        if not all(bound < 0 for bound in bounds.values()):
            return None
        made = self._claims(way, upper)
        if self.target.kind == "label" and self.sets:
            made.claim("sufficient", label=self.target.label_index, group=0)
        elif self.target.kind == "label":
            made.claim("prediction", label=self.target.label_index)
        return Made(made.encoded(), made.semantics, True, bounds=bounds)

    def _claims(self, way: Way, upper: Numbers) -> Draft:
        draft = Draft(self.query, self.sets, way, leaves=self.leaves if way.tree else None)
        if self.sets or way.faces or way.tree:
            group = np.array([0 if self.sets else -1], np.int32)
            draft.claim("groups", group=group, upper=upper)
        else:
            draft.claim("bound", upper=upper)
        return draft
