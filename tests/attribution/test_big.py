import numpy as np
import pytest

from attribution.settings import digits, linear, query
from verixplain.attribution.big import BIG
from verixplain.attribution.integrated_gradients import IntegratedGradients


def test_on_a_binary_linear_network_it_is_known_in_closed_form():
    w = np.array([1.0, -2.0, 0.5])
    of, x = linear([w, 0 * w]), np.array([1, -1, 0.5], "f4")
    found = BIG().explain(query(of, x, 0))
    value = w @ x
    foot = x - value / (w @ w) * w
    np.testing.assert_allclose(found.arrays["boundary_point"], foot, atol=1e-5)
    np.testing.assert_allclose(found.map, (x - foot) * w, atol=1e-4)
    assert found.map.sum() == pytest.approx(value, abs=1e-4)


def test_it_is_integrated_gradients_from_the_boundary():
    of, x = digits()
    asked = query(of, x[0])
    found = BIG(steps=10).explain(asked)
    point = found.arrays["boundary_point"]
    same = IntegratedGradients(baseline=point).explain(asked).map
    np.testing.assert_allclose(found.map, same, atol=1e-9)
    label = asked.target.label_index
    change = of(x[:1])[0, label] - of(point[None].astype("f4"))[0, label]
    assert found.map.sum() == pytest.approx(change, abs=1e-2)
