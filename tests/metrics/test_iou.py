from tests.metrics.cases import sample, two_classes
from verixplain.metrics.iou import IoU


def test_it_is_what_both_have_over_what_either_has():
    of = two_classes([1.0, 2, 3, 4, 5])
    given = sample(of, [1] * 5, [3, -9, 0, 2, 7], [1, 1, 1, 1, 0])
    assert IoU().measure(given).value == 2 / 5
