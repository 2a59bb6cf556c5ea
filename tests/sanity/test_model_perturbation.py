import numpy as np
import pytest

from tests.attribution.settings import digits, query
from verixplain.attribution._weights import Weights
from verixplain.errors import SettingError
from verixplain.sanity.model_perturbation import ModelPerturbation


def test_noise_is_a_share_of_every_tensors_deviation_in_one_direction():
    of, inputs = digits()
    found = list(ModelPerturbation("10,30").variants(query(of, inputs[0])))
    assert [one.level for one in found] == [0.1, 0.3]
    for name in Weights(biases=False).names(of):
        old = of.graph.constants[name].astype(float)
        small, large = (one.query.network.graph.constants[name] - old for one in found)
        np.testing.assert_allclose(large, 3 * small, atol=1e-6)
        assert abs(small.std() / (0.1 * old.std()) - 1) < 4 / old.size**0.5


@pytest.mark.parametrize("bad", ["", "a", "0", "-10"])
def test_levels_are_percents_above_zero(bad):
    with pytest.raises(SettingError, match="levels"):
        ModelPerturbation(bad)
