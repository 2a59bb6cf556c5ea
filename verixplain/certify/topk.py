"""Which k groups provably count most: rule 3."""

import numpy as np

from verixplain.errors import SettingError
from verixplain.explanation import Order, TopK


def top_k(order: Order, scores: np.ndarray, k: int) -> TopK:
    """The k groups that every other group is decided to lie below, if there are such.

    Args:
        order: the decided pairs.
        scores: (groups,), only to name candidates where nothing is decided.
        k: how many; at most the number of groups.

    Returns:
        The claim, `certified` where all its pairs are, and `unknown` where it does not hold;
        its members are then the k largest scores, and nothing is claimed of them.
    """
    groups = len(order.above)
    if not 1 <= k <= groups:
        raise SettingError(f"top-k needs 1 <= k <= {groups} (the number of groups), not {k}")
    # In a top-k set every member is above all the others, so it beats at least groups - k.
    beaten = order.above.sum(axis=1)
    members = np.argsort(-beaten, kind="stable")[:k]
    rest = np.setdiff1d(np.arange(groups), members)
    if order.above[np.ix_(members, rest)].all():
        ranked = members[np.argsort(-scores[members], kind="stable")]
        checked = order.checked is not None and order.checked[np.ix_(members, rest)].all()
        status = "certified" if checked else "estimate"
        return TopK(k, status, tuple(int(u) for u in ranked))
    best = np.argsort(-scores, kind="stable")[:k]
    return TopK(k, "unknown", tuple(int(u) for u in best))
