"""Budgets in seconds and in nodes, and their parts."""

import pytest

from verixplain.certify.budget import Budget
from verixplain.errors import SettingError


@pytest.mark.parametrize("words", ["ten", "10", "-3s", "1.5 s", "nodes"])
def test_what_is_no_budget_is_refused(words):
    with pytest.raises(SettingError, match="60s"):
        Budget(words)


def test_without_a_limit_it_is_never_over():
    for words in ("", "none"):
        budget = Budget(words)
        assert not any(budget.step() for _ in range(1000))


def test_nodes_are_counted():
    budget = Budget("3nodes")
    assert [budget.step() for _ in range(3)] == [False, False, True]


def test_what_one_part_leaves_goes_to_the_next():
    whole = Budget("12nodes")
    first = whole.share(3)
    assert first.most == 4
    first.step()
    second = whole.share(2)
    assert whole.nodes == 1
    assert second.most == 5.5
    assert 0 < Budget("10s").share(2).seconds <= 5
