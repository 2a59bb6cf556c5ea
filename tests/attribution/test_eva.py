"""EVA as a method among methods; its bounds and attacks have their own tests."""

import numpy as np

from attribution.settings import digits, query
from verixplain.attribution.eva import EVA


def test_called_as_captum_is_it_gives_the_scores_of_its_explanation():
    of, x = digits("digits_mlp")
    method = EVA(steps=2, restarts=1)
    expected = method.explain(query(of, x[0], radius=0.05)).scores
    found = method.on(of).attribute(x[:1].astype("f8"), radius=0.05)[0]
    np.testing.assert_array_equal(found, expected)
