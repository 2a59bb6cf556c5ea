import numpy as np
import pytest

from tests.metrics.cases import sample, two_classes
from verixplain.errors import SettingError
from verixplain.metrics.mu_fidelity import MuFidelity


def test_the_share_of_a_linear_output_has_correlation_one():
    weights, x = np.random.default_rng(0).normal(size=(2, 12))
    of = two_classes(weights)
    given = sample(of, x, np.float32(weights) * np.float32(x))
    assert MuFidelity().measure(given).value == pytest.approx(1, abs=1e-4)
    assert MuFidelity().measure(sample(of, x, -given.scores)).value == pytest.approx(-1, abs=1e-4)


def test_every_subset_has_the_size_asked_for():
    of = two_classes(np.ones(10))
    sums, falls = MuFidelity(size=0.3).drawn(sample(of, np.ones(10), np.ones(10)))
    assert (sums == 3).all()
    np.testing.assert_allclose(falls, 3)


def test_a_constant_side_is_zero_and_says_why():
    found = MuFidelity().measure(sample(two_classes(np.ones(10)), np.ones(10), np.ones(10)))
    assert found.value == 0
    assert "equal" in found.undefined


@pytest.mark.parametrize("bad", [{"size": 0}, {"size": 1.5}, {"subsets": 1}, {"quantity": "x"}])
def test_settings_it_cannot_have_are_refused(bad):
    with pytest.raises(SettingError):
        MuFidelity(**bad)
