import numpy as np
import pytest
from scipy.stats import spearmanr

from verixplain.metrics._agreement import agreement

A, B, C = np.array([1.0, 2, 3, 4]), np.array([2.0, 1, 3, 4]), np.array([4.0, 3, 2, 1])


def test_it_is_the_mean_rank_correlation_of_every_pair():
    found = agreement(["a", "b", "c"], [{"a": A, "b": B, "c": C}, {"a": A, "b": A, "c": A}])
    means = {(one["first"], one["second"]): one["mean"] for one in found.pairs()}
    assert means == {
        ("a", "b"): pytest.approx((spearmanr(A, B).statistic + 1) / 2),
        ("a", "c"): pytest.approx(0),
        ("b", "c"): pytest.approx((spearmanr(B, C).statistic + 1) / 2),
    }
    np.testing.assert_array_equal(found.mean, found.mean.T)
    np.testing.assert_array_equal(np.diag(found.mean), 1)


def test_maps_that_are_missing_or_constant_are_not_compared_and_counted():
    found = agreement(["a", "b"], [{"a": A}, {"a": A, "b": np.ones(4)}, {"a": A, "b": C}])
    (pair,) = found.pairs()
    assert pair == {"first": "a", "second": "b", "mean": pytest.approx(-1), "count": 1}
    (none,) = agreement(["a", "b"], [{"a": A, "b": np.ones(4)}]).pairs()
    assert (none["mean"], none["count"]) == (None, 0)
