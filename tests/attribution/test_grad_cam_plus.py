import numpy as np

from attribution import cams
from verixplain.attribution.grad_cam_plus import GradCAMPlus


def test_the_weights_are_as_published():
    cams.agrees(GradCAMPlus(), lambda values, slopes: np.maximum(slopes, 0).mean((1, 2)))
