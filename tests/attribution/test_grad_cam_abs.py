import numpy as np

from attribution import cams
from verixplain.attribution.grad_cam_abs import GradCAMAbs


def test_the_weights_are_as_published():
    cams.agrees(GradCAMAbs(), lambda values, slopes: np.abs(slopes).mean((1, 2)))
