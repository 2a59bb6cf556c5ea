import numpy as np
import pytest
from scipy.stats import spearmanr

from tests.attribution.settings import digits, linear
from verixplain import Box, Groups, Query, Target
from verixplain.sanity._similarity import similarities


def images() -> dict:
    of, inputs = digits()
    shape = of.input_shape
    return similarities(
        Query(of, Box.around(inputs[0], 0.1), Target.label(0), Groups.pixels(shape))
    )


def maps(count: int = 2) -> list[np.ndarray]:
    return list(np.random.default_rng(0).normal(size=(count, 64)))


@pytest.mark.parametrize("name", list(images()))
def test_a_map_is_like_itself_in_any_unit_and_least_like_others(name):
    measure, (one, other) = images()[name], maps()
    assert measure(one, one) == pytest.approx(1)
    assert measure(one, 1e-9 * one) == pytest.approx(1)
    assert measure(one, other) < 0.6
    assert measure(one, other) == pytest.approx(measure(other, one))


@pytest.mark.parametrize("name", list(images()))
@pytest.mark.parametrize("constant", [0.0, 1.0, -3.0])
def test_a_constant_map_has_no_similarity(name, constant):
    one, flat = maps()[0], np.full(64, constant)
    assert images()[name](one, flat) is None
    assert images()[name](flat, flat) is None


def test_ranks_are_as_scipy_has_them_and_signs_can_be_left_out():
    (one, other), known = maps(), images()
    assert known["spearman"](one, other) == pytest.approx(spearmanr(one, other).statistic)
    assert known["spearman"](one, -one) == pytest.approx(-1)
    assert known["spearman-absolute"](one, -one) == pytest.approx(1)
    assert known["cosine"](one, -one) == pytest.approx(-1)


def test_the_best_tenth_is_compared_as_a_set():
    one, other = np.arange(64.0), np.arange(64.0)
    other[:3] += 100  # three of the best six are others now
    assert images()["top"](one, other) == pytest.approx(0.5)


def test_structure_agrees_with_scikit_image():
    metrics = pytest.importorskip("skimage.metrics")
    one, other = ((m - m.min()) / np.ptp(m) for m in maps())
    theirs = metrics.structural_similarity(
        one.reshape(8, 8), other.reshape(8, 8), data_range=1.0, gaussian_weights=True, sigma=1.5,
        use_sample_covariance=False, full=True, win_size=7,
    )[1].mean()  # fmt: skip
    assert images()["ssim"](one, other) == pytest.approx(theirs, abs=0.02)


def test_a_table_has_no_structure():
    of = linear([[1.0, 2.0], [2.0, 1.0]])
    query = Query(of, Box.around(np.ones(2), 0.1), Target.label(0), Groups.columns((2,)))
    assert "ssim" not in similarities(query)
