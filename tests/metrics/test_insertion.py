import numpy as np
import pytest
from scipy.special import expit

from tests.metrics.cases import sample, two_classes
from verixplain.metrics.deletion import Deletion
from verixplain.metrics.insertion import Insertion


def test_the_area_is_that_of_the_outputs_written_out():
    of = two_classes([1.0, 2.0, 4.0])
    found = Insertion(steps=3).measure(sample(of, [1, 1, 1], [1, 2, 3]))
    heights = expit(2 * np.array([0.0, 4.0, 6.0, 7.0]))
    assert found.value == pytest.approx(np.trapezoid(heights, [0, 1 / 3, 2 / 3, 1]), rel=1e-12)


def test_putting_in_is_taking_out_backwards():
    of = two_classes([1.0, -2.0, 4.0])
    one, other = sample(of, [1, 1, 1], [3, 1, 2]), sample(of, [1, 1, 1], [1, 3, 2])
    inserted, deleted = Insertion().measure(one).value, Deletion().measure(other).value
    assert inserted == pytest.approx(deleted, rel=1e-12)
