import numpy as np

from attribution.settings import digits, query
from verixplain.attribution.saliency import Saliency
from verixplain.attribution.smoothgrad_squared import SmoothGradSquared


def test_it_is_the_mean_of_the_squares_at_the_kept_points():
    of, x = digits()
    asked = query(of, x[0])
    found = SmoothGradSquared(samples=6).explain(asked)
    each = Saliency().on(of).attribute(found.arrays["points"], asked.target.label_index)
    np.testing.assert_allclose(found.map, (each**2).mean(0), rtol=1e-9, atol=1e-12)
    assert (found.map >= 0).all()
