from tests.metrics.cases import sample, two_classes
from verixplain.metrics.pointing_game import PointingGame


def test_the_best_group_hits_or_misses():
    of = two_classes([1.0, 2, 3])
    assert PointingGame().measure(sample(of, [1] * 3, [3, -9, 0], [1, 0, 0])).value == 1
    assert PointingGame().measure(sample(of, [1] * 3, [3, -9, 0], [0, 1, 1])).value == 0
