import numpy as np
import pytest

from attribution.settings import digits, linear, query
from verixplain.attribution.expected_gradients import ExpectedGradients
from verixplain.attribution.integrated_gradients import IntegratedGradients
from verixplain.errors import SettingError


def test_on_a_linear_network_it_is_the_mean_of_the_changes():
    of, x = linear([[1, -2], [0, 1]]), np.array([3, 5], "f4")
    references = np.array([[1.0, 1.0], [0.0, 2.0]])
    found = ExpectedGradients(references=references).explain(query(of, x, 0))
    drawn = found.arrays["baselines"]
    np.testing.assert_allclose(found.map, ((x - drawn) * [1, -2]).mean(0))
    assert {tuple(one) for one in drawn} == {(1.0, 1.0), (0.0, 2.0)}
    assert abs(found.arrays["completeness_delta"]) < 1e-9


def test_with_one_reference_it_tends_to_integrated_gradients():
    of, x = digits()
    asked = query(of, x[0])
    exact = IntegratedGradients(steps=500).explain(asked).map
    found = ExpectedGradients(references=np.zeros((1, 1, 8, 8)), samples=2000).explain(asked).map
    assert np.abs(found - exact).max() < 0.1 * np.abs(exact).max()


def test_without_references_baselines_come_from_the_box():
    of, x = digits()
    asked = query(of, x[0], radius=0.1)
    drawn = ExpectedGradients(samples=10).explain(asked).arrays["baselines"]
    assert all(np.abs(one - x[0]).max() <= 0.1 + 1e-6 for one in drawn)
    assert len(np.unique(drawn[:, 0, 0, 0])) == 10


def test_references_of_another_shape_are_refused():
    of, x = digits()
    with pytest.raises(SettingError, match="references are"):
        ExpectedGradients(references=np.zeros((2, 3))).explain(query(of, x[0]))
