"""Which certificates the findings of a run ask for."""

from collections.abc import Sequence

import numpy as np

from verixplain.bounds.split import Tree
from verixplain.certificate.deciding import Decision
from verixplain.certificate.enclosing import Enclosing
from verixplain.certificate.made import Wanted
from verixplain.certificate.ranking import Ranking
from verixplain.certify.claim import Encloses, Finding, Ranks, Stands
from verixplain.explanation import Explanation


def wanted(
    explanation: Explanation, findings: Sequence[Finding], tree: Tree | None = None
) -> dict[int, Wanted]:
    """What to certify for findings, by their places; nothing for what no certificate can help.

    Args:
        explanation: what was proved of the query.
        findings: of its claims.
        tree: of branch and bound.
    """
    query, overlaps, order = explanation.query, explanation.overlaps, explanation.order
    open_ = [
        (n, f) for n, f in enumerate(findings) if f.status in ("estimate", "unknown", "timeout")
    ]
    ranks = {n: f.rests_on for n, f in open_ if isinstance(f.rests_on, Ranks)}
    ranks = {n: one for n, one in ranks.items() if len(one.pairs)}
    found: dict[int, Wanted] = {
        n: Decision(query, f.rests_on, tree) for n, f in open_ if isinstance(f.rests_on, Stands)
    }
    if overlaps is None or order is None:
        return found
    found |= {n: Enclosing(query, overlaps) for n, f in open_ if isinstance(f.rests_on, Encloses)}
    if ranks:
        for number, one in ranks.items():
            alike = [other.pairs for other in ranks.values() if other.shift == one.shift]
            found[number] = Ranking(query, overlaps, order.above, np.concatenate(alike), one, tree)
    return found
