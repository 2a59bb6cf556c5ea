import numpy as np
import pytest

from attribution.settings import digits, linear, query
from verixplain.attribution.rise import RISE
from verixplain.errors import SettingError


def test_on_a_linear_network_important_inputs_stand_out():
    of, x = linear([[5, 0, 0, 1], [0, 0, 0, 0]]), np.ones(4, "f4")
    found = RISE(masks=4000, quantity="class").explain(query(of, x, 0)).map
    # E[f(x*M) M_i] / p = p * sum(w) + (1 - p) * w_i
    np.testing.assert_allclose(found, 0.5 * 6 + 0.5 * np.array([5, 0, 0, 1]), atol=0.15)


def test_with_everything_seen_every_score_is_the_number_itself():
    of, x = digits()
    found = RISE(masks=3, share=1.0, quantity="class").explain(query(of, x[0])).map
    np.testing.assert_allclose(found, of(x[:1]).max(), rtol=1e-5)


def test_masks_do_not_depend_on_the_batch():
    of, x = digits()
    maps = [RISE(masks=40, batch=size).explain(query(of, x[0])).map for size in (7, 40)]
    np.testing.assert_allclose(*maps, rtol=1e-9)


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(SettingError, match="share"):
        RISE(share=0)
