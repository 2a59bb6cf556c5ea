from dataclasses import replace
from functools import partial
from itertools import combinations

import numpy as np
import pytest

from tests.metrics.cases import sample, two_classes
from verixplain import explain
from verixplain.errors import InputError
from verixplain.explanation import Order
from verixplain.metrics.audit import Audit


def audited(scores, above, k):
    of = two_classes(np.ones(len(scores)))
    given = sample(of, np.ones(len(scores)), scores)
    verified = replace(given.explanation, order=Order(np.asarray(above, dtype=bool)))
    return Audit(k).measure(replace(given, verify=lambda: verified))


def test_of_a_linear_network_every_group_is_decided():
    of = two_classes([1.0, 2, 3, 4])
    right, wrong = sample(of, [1] * 4, [1, 2, 3, 4]), sample(of, [1] * 4, [4, 2, 3, 1])
    verify = partial(explain, right.explanation.query)
    found = Audit(2).measure(replace(right, verify=verify))
    assert (found.value, found.details["undecided"], found.details["status"]) == (1, 0, "estimate")
    found = Audit(2).measure(replace(wrong, verify=verify))
    assert (found.details["in"], found.details["out"]) == (1, 1)


def test_what_the_order_leaves_open_is_undecided():
    found = audited([3, 2, 1], np.zeros((3, 3)), 1)
    assert (found.value, found.details["undecided"]) == (0, 1)


@pytest.mark.parametrize("seed", range(20))
def test_what_is_in_or_out_is_so_in_every_ranking_that_the_order_allows(seed):
    """Against enumeration: all k-sets that are a top-k of some ranking with the decided pairs."""
    generator = np.random.default_rng(seed)
    truth = generator.permutation(5)
    above = (truth[:, None] > truth) & (generator.random((5, 5)) < 0.5)
    for _ in range(5):
        above |= above @ above
    scores, k = generator.permutation(5), 2
    possible = [
        set(top)
        for top in combinations(range(5), k)
        if not any(above[out, u] for u in top for out in set(range(5)) - set(top))
    ]
    best = np.argsort(-scores)[:k]
    details = audited(scores, above, k).details
    assert details["in"] == sum(all(u in top for top in possible) for u in best)
    assert details["out"] == sum(all(u not in top for top in possible) for u in best)


def test_a_map_without_an_order_decides_nothing():
    given = sample(two_classes([1.0, 2.0]), [1, 1], [1, 2])
    with pytest.raises(InputError, match="has no order"):
        Audit(1).measure(replace(given, verify=lambda: given.explanation))
