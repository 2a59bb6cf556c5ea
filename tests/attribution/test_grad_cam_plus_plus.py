import numpy as np
import pytest

from attribution import cams
from verixplain.attribution.grad_cam_plus_plus import GradCAMPlusPlus


def slowly(values, slopes):
    weights = np.zeros(len(values))
    for k, (value, slope) in enumerate(zip(values, slopes, strict=True)):
        for g in slope.flat:
            below = 2 * g**2 + value.sum() * g**3
            weights[k] += (g**2 / below if below else 0.0) * max(g, 0.0)
    return weights


def test_the_weights_are_as_published():
    cams.agrees(GradCAMPlusPlus(), slowly)


@pytest.mark.parametrize("sign", [1, -1])
def test_slopes_of_zero_have_no_share(sign):
    import torch

    slopes = torch.tensor([[[0.0, sign]]])
    found = GradCAMPlusPlus().weights(torch.ones(1, 1, 2), slopes)
    assert torch.isfinite(found).all()
    assert (found == 0).all() == (sign < 0)
