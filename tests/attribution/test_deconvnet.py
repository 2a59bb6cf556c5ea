import numpy as np
import pytest
from captum.attr import Deconvolution

from attribution.settings import digits, tensor, torch_module
from verixplain.attribution.deconvnet import Deconvnet


@pytest.mark.parametrize("name", ["digits_cnn", "digits_mlp"])
def test_captum_agrees(name):
    of, x = digits(name)
    x, labels = x[:4], of(x[:4]).argmax(1)
    ours = Deconvnet().on(of).attribute(tensor(x), labels)
    theirs = Deconvolution(torch_module(of)).attribute(tensor(x), target=tensor(labels).long())
    np.testing.assert_allclose(ours, theirs.detach(), atol=1e-5)
