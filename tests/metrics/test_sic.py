from functools import cache

import networks
import numpy as np
import pytest
from onnx import helper
from scipy.special import expit

from tests.metrics.cases import sample, two_classes
from verixplain import Box, Groups, Query, Target
from verixplain.errors import InputError
from verixplain.explanation import Explanation
from verixplain.metrics._base import Sample
from verixplain.metrics._information import blurred
from verixplain.metrics.sic import SIC
from verixplain.network import Network

SIDE = 6


@cache
def summing() -> Network:
    """Class 0 has the sum of all pixels, class 1 its negative."""
    weights = np.stack([np.ones(SIDE * SIDE), -np.ones(SIDE * SIDE)], axis=1).astype("f4")
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"], "flatten"),
        helper.make_node("MatMul", ["flat", "w"], ["y"], "linear"),
    ]
    return networks.loaded(networks.model(nodes, {"w": weights}, ("batch", 1, SIDE, SIDE)))


def given(scores=None) -> Sample:
    of = summing()
    x = np.random.default_rng(9).normal(0, 0.1, of.input_shape)
    x = (x - x.mean() + 0.01).astype("f4").astype(float)  # the class wins, the blurred image's not
    query = Query(of, Box.around(x, 0.1), Target.label(0), Groups.pixels(of.input_shape))
    scores = x.ravel() if scores is None else scores
    return Sample(Explanation(query, "x", "none", scores))


def test_the_first_image_has_only_pixels_that_were_kept_and_the_nearest_of_them():
    query = given().explanation.query
    first = blurred(query.box.center, query.groups.plane, 4 / 36, seed=3)
    kept = np.random.default_rng(3).permutation(36)[:4]
    rows, columns = np.divmod(np.arange(36), 6)
    for pixel in range(36):
        distances = (rows[kept] - rows[pixel]) ** 2 + (columns[kept] - columns[pixel]) ** 2
        nearest = kept[distances == distances.min()]
        assert first.flat[pixel] in query.box.center.flat[nearest]


def test_a_map_that_ranks_by_what_is_gained_is_best():
    query = given().explanation.query
    x = query.box.center
    gain = (x - blurred(x, query.groups.plane, 0.1, 0)).ravel()
    metric = SIC(start=0.1)
    best, worst = metric.measure(given(gain)).value, metric.measure(given(-gain)).value
    others = [
        metric.measure(given(np.random.default_rng(seed).permutation(gain))).value
        for seed in range(10)
    ]
    assert best > max(others)
    assert min(others) > worst


def test_the_ends_of_the_curve_are_the_first_image_and_the_whole_one():
    query = given().explanation.query
    first = blurred(query.box.center, query.groups.plane, 0.1, 0).sum()
    whole = expit(2 * query.box.center.sum())
    curve = SIC(start=0.1).measure(given()).details["curve"]
    assert curve[0] == pytest.approx(min(1.0, expit(2 * first) / whole))
    assert curve[-1] == pytest.approx(1)


def test_of_many_inputs_it_is_the_area_under_the_median_curve():
    rows = [
        {"value": np.mean(curve), "undefined": "", "details": {"curve": curve}}
        for curve in ([0.0, 0.0, 1.0], [0.0, 0.6, 1.0], [0.9, 1.0, 1.0])
    ]
    area, spread = SIC().pooled(rows)
    assert area == pytest.approx((0.0 + 0.6) / 4 + (0.6 + 1.0) / 4)  # of the curve 0, 0.6, 1
    assert 0 < spread < 0.5
    constant = {"value": 0.0, "undefined": "no information", "details": {}}
    assert SIC().pooled([*rows, constant]) == (area, spread)
    assert SIC().pooled([constant]) == (0.0, None)
    assert SIC().pooled(rows[:1])[1] is None


def test_an_input_that_is_no_image_is_refused():
    with pytest.raises(InputError, match="of images"):
        SIC().measure(sample(two_classes([1.0, 2.0]), [1, 1], [1, 2]))
