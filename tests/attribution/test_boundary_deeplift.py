import numpy as np

from attribution.settings import digits, query
from verixplain.attribution.boundary_deeplift import BoundaryDeepLIFT
from verixplain.attribution.deeplift import DeepLIFT


def test_it_is_deeplift_from_the_boundary():
    of, x = digits()
    asked = query(of, x[0])
    found = BoundaryDeepLIFT(steps=5, bound="none").explain(asked)
    same = DeepLIFT(baseline=found.arrays["boundary_point"]).explain(asked)
    np.testing.assert_allclose(found.map, same.map, atol=1e-12)
    assert abs(found.arrays["completeness_delta"]) < 1e-9
