from functools import partial

import pytest
from scipy.stats import spearmanr

from tests.metrics.cases import sample, two_classes
from verixplain import explain
from verixplain.metrics.ranking_agreement import RankingAgreement


def agreement(scores):
    of = two_classes([1.0, 2, 3, 4])
    query = sample(of, [1] * 4, scores).explanation.query
    return RankingAgreement().measure(sample(of, [1] * 4, scores, verify=partial(explain, query)))


def test_of_a_linear_network_the_slopes_sizes_are_the_verified_order():
    assert agreement([1, 2, 3, 4]).value == pytest.approx(1)
    assert agreement([4, 3, 2, 1]).value == pytest.approx(-1)
    assert agreement([2, 1, 4, 3]).value == pytest.approx(
        spearmanr([2, 1, 4, 3], [1, 2, 3, 4]).statistic
    )


def test_a_constant_map_agrees_with_nothing():
    assert agreement([5, 5, 5, 5]).undefined == "one of the two maps is constant"
