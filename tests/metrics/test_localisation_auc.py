import pytest

from tests.metrics.cases import sample, two_classes
from verixplain.metrics.localisation_auc import LocalisationAUC


def area(scores, mask):
    return LocalisationAUC().measure(sample(two_classes([1.0] * 4), [1] * 4, scores, mask))


def test_it_is_the_share_of_pairs_in_the_right_order():
    assert area([3, 1, 2, 0], [1, 1, 0, 0]).value == pytest.approx(3 / 4)
    assert area([9, 8, 2, 1], [1, 1, 0, 0]).value == 1
    assert area([1, 2, 8, 9], [1, 1, 0, 0]).value == 0
    assert area([5, 5, 5, 5], [1, 0, 0, 0]).value == pytest.approx(1 / 2)


def test_with_nothing_outside_there_is_nothing_to_tell():
    assert "every group" in area([3, 1, 2, 0], [1, 1, 1, 1]).undefined
