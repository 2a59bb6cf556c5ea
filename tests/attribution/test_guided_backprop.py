import numpy as np
import pytest
from captum.attr import GuidedBackprop as Theirs

from attribution.settings import digits, linear, query, tensor, torch_module
from verixplain.attribution.guided_backprop import GuidedBackprop
from verixplain.errors import UnsupportedMethodError


@pytest.mark.parametrize("name", ["digits_cnn", "digits_mlp"])
def test_captum_agrees(name):
    of, x = digits(name)
    x, labels = x[:4], of(x[:4]).argmax(1)
    ours = GuidedBackprop().on(of).attribute(tensor(x), labels)
    theirs = Theirs(torch_module(of)).attribute(tensor(x), target=tensor(labels).long())
    np.testing.assert_allclose(ours, theirs.detach(), atol=1e-5)


def test_a_network_without_relu_is_refused():
    of = linear([[1.0, 2.0], [0.0, 1.0]])
    with pytest.raises(UnsupportedMethodError, match="guided-backprop needs a Relu"):
        GuidedBackprop().explain(query(of, np.ones(2, "f4"), 0))
