import numpy as np
import pytest

from attribution.settings import digits, query
from verixplain.attribution.rect_grad import RectGrad
from verixplain.attribution.saliency import Saliency
from verixplain.errors import SettingError


def slowly(of, x, label, percentile):
    """A network of dense layers, backwards by hand."""
    layers = [module.double() for module in of.at(__import__("torch").float64).children()][1:]
    a, kept = x.astype("f8").ravel(), []
    for layer in layers:
        if hasattr(layer, "weight"):
            a = layer.weight.numpy() @ a + layer.bias.numpy()
        else:
            a = np.maximum(a, 0)
            kept.append(a)
    back = np.eye(10)[label]
    for layer in reversed(layers):
        if hasattr(layer, "weight"):
            back = layer.weight.numpy().T @ back
        else:
            product = kept.pop() * back
            limit = np.percentile(product, percentile) if percentile >= 0 else 0.0
            back = back * (product > limit)
    return back.reshape(x.shape)


@pytest.mark.parametrize("percentile", [-1, 0, 50, 90, 98])
def test_only_large_products_pass(percentile):
    of, x = digits("digits_mlp")
    found = RectGrad(percentile=percentile, times_input=False).explain(query(of, x[0], 0)).map
    np.testing.assert_allclose(found, slowly(of, x[0], 0, percentile), atol=1e-9)


def test_as_published_the_input_is_multiplied_in():
    of, x = digits()
    asked = query(of, x[0])
    plain, times = (RectGrad(times_input=each).explain(asked).map for each in (False, True))
    np.testing.assert_allclose(times, plain * x[0], atol=1e-12)
    assert (plain != Saliency().explain(asked).map).any()


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(SettingError, match="percentile"):
        RectGrad(percentile=101)
