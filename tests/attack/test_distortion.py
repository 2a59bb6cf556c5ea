import numpy as np
import pytest
from attribution.settings import linear, query

from verixplain.attack.distortion import Freed
from verixplain.attack.pgd import PGD
from verixplain.errors import TargetError

WEIGHTS = np.array([4.0, -2.0, 1.0])
FREE = np.array([[1, 0, 0], [0, 1, 1], [1, 1, 1]], dtype=bool)


def test_on_a_linear_network_it_is_the_margin_over_the_free_weights():
    of, x = linear([WEIGHTS, -WEIGHTS]), np.array([0.2, -0.1, 0.1], "f4")
    found, cut = Freed(query(of, x, 0), FREE).attacked(PGD(steps=5, restarts=1), 16)
    np.testing.assert_allclose(found, [1.1 / 4, 1.1 / 3, 1.1 / 7], rtol=1e-3)
    assert (found >= [1.1 / 4, 1.1 / 3, 1.1 / 7]).all()  # a point is known at every radius
    assert not cut.any()


def test_boxes_hold_what_is_not_free():
    of, x = linear([WEIGHTS, -WEIGHTS]), np.array([0.2, -0.1, 0.1], "f4")
    asked = query(of, x, 0)
    lower, upper = Freed(asked, FREE).ends(np.full(3, 0.5))
    np.testing.assert_array_equal(upper > asked.box.center, FREE)
    np.testing.assert_array_equal(lower < asked.box.center, FREE)


def test_a_decision_that_does_not_stand_is_refused():
    of, x = linear([WEIGHTS, -WEIGHTS]), np.array([0.2, -0.1, 0.1], "f4")
    with pytest.raises(TargetError, match="does not hold at the input"):
        Freed(query(of, x, 1), FREE).attacked(PGD(steps=5, restarts=1), 3)
