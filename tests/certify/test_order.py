"""Rule 2: which pairs the enclosures decide."""

import numpy as np
import oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from networks import loaded, mlp

from verixplain.attribution.eva import EVA
from verixplain.certify.order import closure, order
from verixplain.errors import SoundnessAlarm
from verixplain.explanation import Overlaps
from verixplain.query import Box, Query, Target


def overlaps(lower, upper) -> Overlaps:
    count = len(lower)
    return Overlaps(-9.0, 9.0, np.array(lower), np.array(upper), np.zeros(1), np.zeros((count, 1)))


def test_a_pair_is_decided_where_enclosures_do_not_meet():
    found = order(overlaps([0.0, 2.0, 2.5], [1.0, 3.0, 2.75]))
    assert found.above.tolist() == [[False, True, True], [False] * 3, [False] * 3]
    assert found.to_dict() == {"pairs": 3, "certified": 0, "estimate": 2, "undecided": 1}


def test_enclosures_that_touch_decide_nothing():
    assert order(overlaps([0.0, 1.0], [1.0, 2.0])).decided == 0


def test_one_last_bit_is_enough():
    assert order(overlaps([0.0, np.nextafter(1.0, 2.0)], [1.0, 2.0])).decided == 1


@settings(max_examples=100, deadline=None)
@given(
    arrays.arrays(float, (6, 2), elements=st.floats(-5, 5)),
)
def test_the_order_is_transitive_antisymmetric_and_true(ends):
    """Whatever values the enclosures hold, those in the middle included."""
    low, high = ends.min(axis=1), ends.max(axis=1)
    above = order(overlaps(low, high)).above
    assert not np.diagonal(above).any()
    assert not (above & above.T).any()
    assert not ((above.astype(int) @ above.astype(int) > 0) & ~above).any()
    for overlap in (low, high, (low + high) / 2):
        importance = -overlap
        u, v = np.nonzero(above)
        assert (importance[u] > importance[v]).all()


def test_the_closure_adds_what_follows():
    chain = np.eye(5, k=1, dtype=bool)
    assert closure(chain).tolist() == np.triu(np.ones((5, 5), dtype=bool), 1).tolist()


@pytest.mark.parametrize("pairs", [[(0, 0)], [(0, 1), (1, 0)], [(0, 1), (1, 2), (2, 0)]])
def test_a_cycle_is_an_alarm(pairs):
    relation = np.zeros((4, 4), dtype=bool)
    relation[tuple(zip(*pairs, strict=True))] = True
    with pytest.raises(SoundnessAlarm, match="cycle"):
        closure(relation)


def test_enclosures_the_wrong_way_round_are_an_alarm():
    with pytest.raises(SoundnessAlarm):
        order(overlaps([5.0, 5.0], [1.0, 1.0]))


@pytest.mark.parametrize("seed", range(12))
def test_decided_pairs_are_those_of_the_exact_overlaps(seed):
    network = loaded(mlp((4, 5, 3, 3), seed=seed))
    center = np.random.default_rng(seed).uniform(-1, 1, 4).astype("f4").astype(float)
    box, target = Box.around(center, 0.1), Target.label(seed % 3)
    query = Query(network, box, target)
    found = order(EVA(bound="crown").explain(query).overlaps)
    exact = oracle.exact_overlaps(network, box, target, query.groups.members)[1:]
    for u, v in zip(*np.nonzero(found.above), strict=True):
        assert exact[u].exact < exact[v].exact + 1e-7  # the solver's accuracy
        assert exact[u].value < exact[v].value + 1e-7
