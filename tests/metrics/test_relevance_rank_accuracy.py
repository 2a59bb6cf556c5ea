from tests.metrics.cases import sample, two_classes
from verixplain.metrics.relevance_rank_accuracy import RelevanceRankAccuracy


def test_it_counts_the_best_of_as_many_as_the_mask_has():
    of = two_classes([1.0, 2, 3, 4])
    given = sample(of, [1] * 4, [9, -5, 8, 7], [1, 1, 1, 0])
    assert RelevanceRankAccuracy().measure(given).value == 2 / 3
