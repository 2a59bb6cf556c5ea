import numpy as np
import pytest

from tests.metrics.cases import sample, two_classes
from verixplain.metrics.sparseness import Sparseness


def value(scores):
    return Sparseness().measure(sample(two_classes(np.ones(len(scores))), scores, scores))


def test_equal_scores_have_none_and_one_score_has_all():
    assert value([1, 1, -1, 1]).value == pytest.approx(0)
    assert value([0, 0, -3, 0]).value == pytest.approx(0.75)


def test_it_is_the_mean_difference_of_two_scores_over_twice_their_mean():
    scores = np.random.default_rng(0).uniform(size=9)
    differences = np.abs(scores[:, None] - scores)
    assert value(scores).value == pytest.approx(differences.mean() / (2 * scores.mean()))


def test_a_map_of_zeros_is_said_to_be_one():
    assert value([0, 0, 0]).undefined == "every score is 0"
