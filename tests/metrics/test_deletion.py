import numpy as np
import pytest
from scipy.special import expit

from tests.metrics.cases import sample, two_classes
from verixplain import Groups
from verixplain.errors import GroupsError, SettingError
from verixplain.metrics.deletion import Deletion


def test_the_area_is_that_of_the_outputs_written_out():
    of = two_classes([1.0, 2.0, 4.0])
    found = Deletion(steps=3).measure(sample(of, [1, 1, 1], [1, 2, 3]))
    heights = expit(2 * np.array([7.0, 3.0, 1.0, 0.0]))  # of class 0 against its negative
    assert found.value == pytest.approx(np.trapezoid(heights, [0, 1 / 3, 2 / 3, 1]), rel=1e-12)
    np.testing.assert_allclose(found.details["curve"], heights, rtol=1e-12)


def test_what_comes_in_place_of_inputs_is_a_setting():
    of = two_classes([1.0, 2.0])
    found = Deletion(steps=1, baseline=1.0).measure(sample(of, [1, 1], [1, 2]))
    assert found.value == pytest.approx(expit(6.0))


def test_equal_scores_do_not_fall_back_on_the_numbers_of_the_groups():
    of = two_classes(np.ones(64))
    assert sample(of, np.ones(64), np.zeros(64)).ranked.tolist() != list(range(64))


def test_inputs_in_no_group_are_refused():
    from dataclasses import replace

    given = sample(two_classes([1.0, 2.0]), [1, 1], [1, 2])
    groups = Groups((2,), (np.array([0]), np.array([0])), ("a", "b"))
    explanation = replace(given.explanation, query=replace(given.explanation.query, groups=groups))
    with pytest.raises(GroupsError, match="hold every input"):
        Deletion().measure(replace(given, explanation=explanation))


@pytest.mark.parametrize("bad", [{"steps": 0}, {"quantity": "odds"}])
def test_settings_it_cannot_have_are_refused(bad):
    with pytest.raises(SettingError):
        Deletion(**bad)
