import numpy as np

from attribution.settings import digits, query
from verixplain.attribution.boundary_smoothgrad import BoundarySmoothGrad
from verixplain.attribution.bsm import BSM
from verixplain.attribution.saliency import Saliency


def test_the_map_is_the_sum_over_the_points_that_are_kept():
    of, x = digits()
    asked = query(of, x[0])
    found = BoundarySmoothGrad(steps=5, samples=6, bound="none").explain(asked)
    each = Saliency().on(of).attribute(found.arrays["points"], asked.target.label_index)
    np.testing.assert_allclose(found.map, each.mean(0), atol=1e-9)


def test_without_noise_it_is_bsm():
    of, x = digits()
    asked = query(of, x[0])
    search = {"steps": 5, "bound": "none"}
    maps = [
        method.explain(asked).map
        for method in (BoundarySmoothGrad(noise=0.0, **search), BSM(**search))
    ]
    np.testing.assert_allclose(*maps, atol=1e-9)
