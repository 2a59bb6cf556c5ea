import numpy as np
from captum.attr import InputXGradient

from attribution.settings import digits, linear, tensor, torch_module
from verixplain.attribution.gradient_times_input import GradientTimesInput


def test_on_a_linear_network_the_scores_add_up_to_the_logit():
    of, x = linear([[1, -2], [0, 1]]), np.array([[3, 5]], "f4")
    scores = GradientTimesInput().on(of).attribute(x, 0)
    np.testing.assert_array_equal(scores[0], [3, -10])
    assert scores.sum() == of(x)[0, 0]


def test_captum_agrees():
    of, x = digits()
    labels = of(x).argmax(1)
    ours = GradientTimesInput().on(of).attribute(tensor(x), labels)
    theirs = InputXGradient(torch_module(of)).attribute(tensor(x), tensor(labels).long())
    np.testing.assert_allclose(ours, theirs.detach(), atol=1e-5)
