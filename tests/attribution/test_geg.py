import numpy as np
import pytest

from attribution.settings import digits, linear, query
from verixplain import Box, Query, Target
from verixplain.attribution._weights import noised
from verixplain.attribution.geg import GEG
from verixplain.attribution.saliency import Saliency
from verixplain.errors import SettingError


def test_without_noise_it_is_saliency():
    of, x = digits()
    asked = query(of, x[0])
    for variant in ("max", "integrated"):
        found = GEG(samples=3, deviation=0.0, variant=variant).explain(asked).map
        np.testing.assert_allclose(found, Saliency().explain(asked).map, atol=1e-12)


def test_only_networks_that_are_no_less_sure_count():
    of, x = digits("digits_mlp")
    asked = query(of, x[0])
    label = asked.target.label_index

    def sure(of):
        outputs = of(x[:1]).astype("f8")[0]
        return np.exp(outputs[label] - outputs.max()) / np.exp(outputs - outputs.max()).sum()

    slopes = [
        Saliency().on(other).attribute(x[:1].astype("f8"), label)[0]
        for other in noised(of, 0.01, 12, [0, 1], additive=True)
        if sure(other) >= sure(of)
    ]
    found = GEG(samples=12, attempts=12, deviation=0.01).explain(asked)
    assert found.arrays["networks"].tolist() == [len(slopes), 12]
    np.testing.assert_allclose(found.map, np.max(slopes, axis=0), atol=1e-6)


def test_the_loop_is_bounded():
    of, x = digits("digits_mlp")
    asked = query(of, x[0])
    found = GEG(samples=8, attempts=9, deviation=0.1).explain(asked)
    assert found.arrays["networks"][1] <= 9
    assert any("networks counted (wanted 8)" in note for note in found.notes)
    with pytest.raises(SettingError, match="kept the decision"):
        GEG(samples=1, attempts=1, deviation=30.0, seed=3).explain(asked)


def test_a_target_without_a_class_is_refused():
    of, x = linear([[1, -2]]), np.ones(2, "f4")
    with pytest.raises(SettingError, match="a class"):
        GEG().explain(Query(of, Box.around(x, 0), Target.rows(np.array([[1.0]]))))
