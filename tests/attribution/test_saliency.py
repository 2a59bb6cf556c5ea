import numpy as np
import pytest
from captum.attr import Saliency as Theirs

from attribution.settings import digits, linear, query, tensor, torch_module
from verixplain import Target
from verixplain.attribution.saliency import Saliency
from verixplain.errors import SettingError


def test_on_a_linear_network_it_is_the_weights():
    of = linear([[1, -2, 3], [0, 1, 1]])
    x = np.array([[3, 1, 1]], "f4")
    np.testing.assert_allclose(Saliency().on(of).attribute(x, 0)[0], [1, -2, 3])
    margin = Saliency(quantity="margin").on(of).attribute(x, 0)[0]
    np.testing.assert_allclose(margin, [1, -3, 2])
    np.testing.assert_allclose(Saliency(absolute=True).on(of).attribute(x, 0)[0], [1, 2, 3])


def test_the_probability_has_the_slope_of_softmax():
    of, x = linear([[1, 0], [0, 1]]), np.array([[0.5, 0.0]], "f4")
    p = np.exp(0.5) / (np.exp(0.5) + 1)
    found = Saliency(quantity="probability").on(of).attribute(x.astype("f8"), 0)[0]
    np.testing.assert_allclose(found, [p * (1 - p), -p * (1 - p)])


def test_where_the_smallest_wins_the_output_is_negated():
    of, x = linear([[1, 0], [0, 1]]), np.array([[0.5, 1.0]], "f4")
    found = Saliency().on(of).attribute(x, Target.label(0, smallest_wins=True))[0]
    np.testing.assert_allclose(found, [-1, 0])


def test_rows_are_explained_by_their_largest():
    of, x = linear([[1, 2]]), np.array([[0.5, 1.0]], "f4")
    found = Saliency().on(of).attribute(x)[0]
    np.testing.assert_allclose(found, [1, 2])
    with pytest.raises(SettingError, match="no probability"):
        Saliency(quantity="probability").on(of).attribute(x)


def test_captum_agrees():
    of, x = digits()
    labels = of(x).argmax(1)
    ours = Saliency().on(of).attribute(tensor(x), labels)
    theirs = Theirs(torch_module(of)).attribute(tensor(x), tensor(labels).long(), abs=False)
    np.testing.assert_allclose(ours, theirs.detach(), atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"quantity": "loss"}, "no quantity 'loss'; there are: class, margin, probability"),
        ({"dtype": "float16"}, "no precision"),
        ({"batch": 0}, "batch must be at least 1"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, words):
    with pytest.raises(SettingError, match=words):
        Saliency(**settings)


def test_a_baseline_is_refused_where_there_is_none():
    of, x = digits()
    with pytest.raises(SettingError, match="saliency has no baseline"):
        Saliency().on(of).attribute(x, baselines=0)


def test_the_explanation_says_what_was_explained():
    of, x = digits()
    found = Saliency(quantity="margin").explain(query(of, x[0], 0))
    assert found.notes[0] == "explained is the margin of class 0 over the best other"


def test_quantus_may_bring_a_torch_module():
    import torch

    of, x = digits("digits_mlp")
    module = torch.nn.Sequential(*of.module.children())
    labels = of(x).argmax(1)
    ours = Saliency().on(of).attribute(x, labels)
    theirs = Saliency().explain_func(module, x, labels)
    np.testing.assert_allclose(theirs, ours, atol=1e-5)
