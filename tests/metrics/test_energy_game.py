import pytest

from tests.metrics.cases import sample, two_classes
from verixplain.errors import InputError
from verixplain.metrics.energy_game import EnergyGame


def value(scores, mask):
    return EnergyGame().measure(sample(two_classes([1.0, 2, 3, 4]), [1, 1, 1, 1], scores, mask))


def test_only_positive_scores_count():
    assert value([3, -9, 1, -9], [1, 1, 0, 0]).value == pytest.approx(0.75)
    assert value([-1, -1, -1, 0], [1, 0, 0, 0]).undefined == "no score is positive"


def test_a_mask_that_holds_nothing_or_does_not_fit_is_refused():
    with pytest.raises(InputError, match="no group lies in the mask"):
        value([1, 1, 1, 1], [0, 0, 0, 0])
    given = sample(two_classes([1.0, 2.0]), [1, 1], [1, 1])
    with pytest.raises(InputError, match="--masks"):
        EnergyGame().measure(given)
