import numpy as np
import pytest

from attribution.settings import digits, linear, query
from verixplain import Box, Groups, Query, Target
from verixplain.attribution.occlusion import Occlusion
from verixplain.errors import SettingError


def slowly(of, x, label, side, baseline):
    """The definition: every window once, the mean over the windows an input is in."""
    total, count = np.zeros(x.shape), np.zeros(x.shape)
    for r in range(x.shape[1] - side + 1):
        for c in range(x.shape[2] - side + 1):
            covered = x.copy()
            covered[:, r : r + side, c : c + side] = baseline
            fall = of(x[None])[0, label] - of(covered[None])[0, label]
            total[:, r : r + side, c : c + side] += fall
            count[:, r : r + side, c : c + side] += 1
    return total / count


def test_it_is_what_covering_takes_away():
    of, x = digits()
    label = int(of(x[:1]).argmax())
    found = Occlusion(window=3, baseline=0.25).explain(query(of, x[0])).map
    np.testing.assert_allclose(found, slowly(of, x[0], label, 3, 0.25), atol=1e-5)


def test_channels_are_covered_together_wherever_they_stand():
    weights = np.random.default_rng(0).normal(size=(2, 50))
    x = np.random.default_rng(1).uniform(size=50).astype("f4")
    of = linear(weights)
    plane = Groups.pixels((5, 5, 2), "nhwc")
    flat = Groups((50,), plane.members, plane.names, "pixels", plane.plane)
    asked = Query(of, Box.around(x, 0), Target.label(0), flat)
    found = Occlusion(window=1).explain(asked)
    expected = (weights[0].astype("f4") * x).reshape(25, 2).sum(1)
    np.testing.assert_allclose(found.map.reshape(25, 2), np.stack([expected] * 2, 1), rtol=1e-5)


def test_a_table_is_covered_number_by_number():
    of, x = linear([[1, -2], [0, 1]]), np.array([3, 5], "f4")
    np.testing.assert_allclose(Occlusion().explain(query(of, x, 0)).map, [3, -10])


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(SettingError, match="window"):
        Occlusion(window=0)
