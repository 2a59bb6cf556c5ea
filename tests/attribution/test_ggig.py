import numpy as np
import pytest

from attribution.settings import digits, linear, query
from verixplain.attribution.ggig import GGIG
from verixplain.attribution.integrated_gradients import IntegratedGradients
from verixplain.attribution.saliency import Saliency
from verixplain.errors import SettingError


@pytest.fixture(scope="module")
def asked():
    of, x = digits()
    return query(of, x[0])


def test_with_one_iteration_it_is_the_largest_slope_of_the_path(asked):
    of, x = asked.network, asked.box.center
    found = GGIG(steps=8, iterations=1).explain(asked).map
    path = np.linspace(0, 1, 9).reshape(-1, 1, 1, 1) * x
    slopes = Saliency().on(of).attribute(path, asked.target)
    np.testing.assert_allclose(found, slopes.max(0), atol=1e-5)
    still = GGIG(steps=8, iterations=5, rate=0.0).explain(asked).map
    np.testing.assert_allclose(still, found, atol=1e-12)


def test_the_integrated_variant_with_one_iteration_is_integrated_gradients_over_the_input(asked):
    x = asked.box.center
    found = GGIG(steps=8, iterations=1, variant="integrated").explain(asked).map
    whole = IntegratedGradients(steps=9, rule="trapezoid").explain(asked).map
    np.testing.assert_allclose((found * x), whole, atol=1e-9)


def test_from_the_input_alone_without_climbing_it_is_saliency(asked):
    found = GGIG(steps=0, iterations=1).explain(asked).map
    np.testing.assert_allclose(found, Saliency().explain(asked).map, atol=1e-12)


def test_more_iterations_and_finer_paths_never_make_it_smaller(asked):
    short, long = (GGIG(steps=4, iterations=n).explain(asked).map for n in (2, 6))
    assert (long >= short - 1e-12).all()
    fine = GGIG(steps=8, iterations=2).explain(asked).map
    assert (fine >= short - 1e-9).all()
    assert (short >= Saliency().explain(asked).map - 1e-12).all()


@pytest.mark.parametrize("rate", [0.0, 0.1, 10.0])
def test_on_a_linear_network_every_climb_meets_the_weights(rate):
    of = linear([[1, -2, 3], [0, 1, 0]])
    asked = query(of, np.array([1, 2, 3], "f4"), 0)
    np.testing.assert_allclose(GGIG(rate=rate, steps=5).explain(asked).map, [1, -2, 3])


def test_the_rate_is_relative_to_the_data_range_and_the_way_is_told(asked):
    found = GGIG(steps=0, iterations=1, rate=0.25).explain(asked)
    slope = Saliency().explain(asked).map
    expected = 0.25 * np.linalg.norm(slope) / np.abs(slope).max()  # the card's range is 1 wide
    np.testing.assert_allclose(found.arrays["displacement"], [expected])
    absolute = GGIG(steps=0, iterations=1, rate=0.25, scale="absolute").explain(asked)
    np.testing.assert_allclose(absolute.arrays["displacement"], [0.25 * np.linalg.norm(slope)])


def test_clipped_climbs_stay_in_the_data_range(asked):
    free, clipped = (
        GGIG(steps=3, iterations=9, rate=0.5, clip=clip).explain(asked) for clip in (False, True)
    )
    assert clipped.arrays["displacement"].max() <= 8  # the diagonal of [0, 1]^64
    assert free.arrays["displacement"].max() > clipped.arrays["displacement"].max()
    of = linear([[1, -2], [0, 1]])
    with pytest.raises(SettingError, match="card does not say"):
        GGIG(clip=True).explain(query(of, np.ones(2, "f4"), 0))


def test_absolute_keeps_the_largest_in_size(asked):
    signed, absolute = (
        GGIG(steps=3, iterations=3, reduce=reduce).explain(asked).map
        for reduce in ("signed", "absolute")
    )
    assert (np.abs(absolute) >= np.abs(signed) - 1e-12).all()
    assert (absolute < 0).any()
