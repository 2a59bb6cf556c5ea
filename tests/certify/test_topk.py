"""Rule 3: which k groups provably count most."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from verixplain.certify.order import closure
from verixplain.certify.topk import top_k
from verixplain.errors import SettingError
from verixplain.explanation import Order


def ladder(*levels: float) -> Order:
    """Everything decided between groups of different levels; equal levels tie."""
    height = np.array(levels)
    return Order(height[:, None] > height[None])


def test_the_best_are_claimed_best_score_first():
    found = top_k(ladder(1.0, 3.0, 2.0, 0.0), np.array([1.0, 3.0, 2.0, 0.0]), 2)
    assert (found.status, found.members) == ("estimate", (1, 2))
    assert found.to_dict() == {"k": 2, "status": "estimate", "members": [1, 2]}


def test_members_need_no_order_among_themselves():
    found = top_k(ladder(2.0, 2.0, 1.0), np.array([0.1, 0.2, 0.0]), 2)
    assert (found.status, found.members) == ("estimate", (1, 0))


def test_a_tie_across_the_border_is_never_claimed():
    found = top_k(ladder(2.0, 1.0, 1.0), np.array([2.0, 1.0, 1.0]), 2)
    assert found.status == "unknown"
    assert found.members[0] == 0
    assert len(found.members) == 2


def test_all_groups_are_trivially_the_best():
    found = top_k(Order(np.zeros((3, 3), dtype=bool)), np.array([0.0, 2.0, 1.0]), 3)
    assert (found.status, found.members) == ("estimate", (1, 2, 0))


def test_where_nothing_is_decided_nothing_is_claimed():
    found = top_k(Order(np.zeros((4, 4), dtype=bool)), np.array([0.0, 2.0, 1.0, 3.0]), 2)
    assert (found.status, found.members) == ("unknown", (3, 1))


def test_the_claim_is_certified_where_every_pair_across_the_border_is():
    above = ladder(3.0, 2.0, 1.0).above
    first = np.array([[False, True, True], [False, False, False], [False, False, False]])
    assert top_k(Order(above, above), np.zeros(3), 1).status == "certified"
    assert top_k(Order(above, first), np.zeros(3), 1).status == "certified"
    assert top_k(Order(above, first), np.zeros(3), 2).status == "estimate"
    assert Order(above, first).to_dict() == {
        "pairs": 3, "certified": 2, "estimate": 1, "undecided": 0,
    }  # fmt: skip


def test_scores_that_contradict_the_order_change_no_claim():
    assert top_k(ladder(2.0, 1.0, 0.0), np.array([0.0, 5.0, 9.0]), 1).members == (0,)


@pytest.mark.parametrize("k", [0, -1, 4])
def test_a_number_of_groups_that_is_not_there_is_refused(k):
    with pytest.raises(SettingError, match="top-k needs"):
        top_k(ladder(1.0, 2.0, 3.0), np.zeros(3), k)


@settings(max_examples=200, deadline=None)
@given(
    st.permutations(range(6)),
    arrays.arrays(bool, (6, 6)),
    st.integers(1, 6),
)
def test_a_claim_means_that_every_member_beats_every_other_group(turn, drawn, k):
    acyclic = np.triu(drawn, 1)[np.ix_(turn, turn)]
    relation = closure(acyclic)
    found = top_k(Order(relation), np.arange(6.0), k)
    rest = [u for u in range(6) if u not in found.members]
    holds = all(relation[u, v] for u in found.members for v in rest)
    assert len(set(found.members)) == k
    if found.status != "unknown":
        assert holds
    else:  # then no other set would do either: a member beats at least 6 - k groups
        strong = np.flatnonzero(relation.sum(axis=1) >= 6 - k)
        others = [v for v in range(6) if v not in strong]
        assert len(strong) != k or not relation[np.ix_(strong, others)].all()
