"""Class sensitivity: whether another class has another map."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from verixplain.errors import TargetError
from verixplain.query import Query, Target
from verixplain.registry import checks
from verixplain.sanity._base import Check, Variant


@checks.add
@dataclass(frozen=True)
class Class(Check):
    """The map of the class that comes second, and of the one that comes last.

    A method whose maps stay the same does not look at the class.

    Source: Khakzar, Baselizadeh and Navab 2020, arXiv:2012.00362; Sixt, Granz and Landgraf 2020,
    arXiv:1912.09818 (random logit).
    """

    def variants(self, query: Query) -> Iterator[Variant]:
        label, smallest = query.target.label_index, query.target.smallest_wins
        if label is None:
            raise TargetError("class sensitivity needs a class, and the target has none")
        outputs = query.network(query.box.center[None])[0]
        ranked = outputs.argsort() if smallest else (-outputs).argsort()
        others = [int(one) for one in ranked if one != label]
        for name, level, other in (("second class", 0.5, others[0]), ("last class", 1, others[-1])):
            yield Variant(name, level, replace(query, target=Target.label(other, smallest)))
