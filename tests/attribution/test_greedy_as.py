import numpy as np
import pytest

from attribution.settings import digits, linear, query
from verixplain.attribution.greedy_as import GreedyAS
from verixplain.attribution.saliency import Saliency
from verixplain.errors import SettingError, TargetError
from verixplain.metrics._base import Sample
from verixplain.metrics.robustness_sr import RobustnessSr


def test_on_a_linear_network_the_largest_weights_are_taken_first():
    weights = np.array([0.5, -4.0, 2.0, -1.0, 3.0, 0.1])
    of, x = linear([weights, -weights]), (0.1 * np.sign(weights)).astype("f4")
    found = GreedyAS(step=0.1, taken=0.5, rounds=10).explain(query(of, x, 0))
    np.testing.assert_allclose(found.group_scores, [0, 1, 1 / 3, 0, 2 / 3, 0])


def test_its_groups_are_less_robust_than_those_of_the_gradient():
    of, x = digits("digits_mlp")
    means = {}
    for method in (GreedyAS(subsets=150, step=0.1), Saliency(absolute=True)):
        samples = [Sample(method.explain(query(of, one))) for one in x[:2]]
        means[method.name] = np.mean([RobustnessSr(bound="none").measure(s).value for s in samples])
    assert means["greedy-as"] < means["saliency"]


def test_a_class_that_is_not_predicted_is_refused():
    of, x = digits()
    with pytest.raises(TargetError, match="does not hold at the input"):
        GreedyAS(subsets=5).explain(query(of, x[0], int(of(x[:1]).argmin())))


@pytest.mark.parametrize(
    "bad", [{"step": 0}, {"step": 0.5, "taken": 0.2}, {"taken": 2}, {"subsets": 1}, {"rounds": 0}]
)
def test_settings_that_cannot_be_are_refused(bad):
    with pytest.raises(SettingError):
        GreedyAS(**bad)
