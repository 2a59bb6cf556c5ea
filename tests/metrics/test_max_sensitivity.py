from dataclasses import replace

import numpy as np
import pytest

from tests.attribution.settings import digits, query
from tests.metrics.cases import sample, two_classes
from verixplain.attribution.gradient_times_input import GradientTimesInput
from verixplain.attribution.saliency import Saliency
from verixplain.errors import InputError
from verixplain.metrics._base import Sample
from verixplain.metrics.max_sensitivity import MaxSensitivity


def test_the_slope_of_a_linear_network_never_moves():
    given = sample(two_classes([1.0, 2.0]), [1, 1], [1, 2], method=Saliency())
    assert MaxSensitivity().measure(given).value == 0


def test_gradient_times_input_moves_as_the_input_does():
    of = two_classes([1.0, 1.0])
    given = sample(of, [3, 4], [3, 4], method=GradientTimesInput())
    found = MaxSensitivity(radius=0.5, samples=200).measure(given)
    assert 0.9 * 0.5 * 2**0.5 / 5 < found.value <= 0.5 * 2**0.5 / 5
    assert found.value == max(found.details["changes"])


def test_neighbours_stay_in_the_data_range_and_the_class_stays():
    of, inputs = digits()
    seen = []

    class Watched(Saliency):
        def explain(self, query, progress=None):
            seen.append(query)
            return super().explain(query, progress)

    asked = query(of, inputs[0])
    MaxSensitivity(radius=0.5).measure(Sample(Saliency().explain(asked), Watched()))
    low, high = of.card.clip(of.input_shape)
    assert len(seen) == 10
    assert all((low <= one.box.center).all() and (one.box.center <= high).all() for one in seen)
    assert {one.target for one in seen} == {asked.target}


def test_without_the_method_it_cannot_explain_again():
    given = sample(two_classes([1.0, 2.0]), [1, 1], [1, 2], method=Saliency())
    with pytest.raises(InputError, match="needs the method"):
        MaxSensitivity().measure(replace(given, method=None))
    assert np.isfinite(MaxSensitivity(samples=1).measure(given).value)
