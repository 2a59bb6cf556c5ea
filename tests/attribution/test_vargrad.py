import numpy as np

from attribution.settings import digits, query
from verixplain.attribution.smoothgrad import SmoothGrad
from verixplain.attribution.smoothgrad_squared import SmoothGradSquared
from verixplain.attribution.vargrad import VarGrad


def test_it_is_the_mean_square_less_the_square_of_the_mean():
    of, x = digits()
    asked = query(of, x[0])
    maps = [kind(samples=6).explain(asked).map for kind in (VarGrad, SmoothGradSquared, SmoothGrad)]
    np.testing.assert_allclose(maps[0], maps[1] - maps[2] ** 2, rtol=1e-6, atol=1e-9)
