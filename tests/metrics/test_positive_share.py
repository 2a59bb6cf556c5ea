from tests.metrics.cases import sample, two_classes
from verixplain.metrics.positive_share import PositiveShare


def test_it_is_the_share_of_the_object_that_counts_for_the_class():
    of = two_classes([1.0, 2, 3, 4, 5])
    given = sample(of, [1] * 5, [3, -9, 0, 2, 7], [1, 1, 1, 1, 0])
    assert PositiveShare().measure(given).value == 0.5
