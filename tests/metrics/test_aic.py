import numpy as np
import pytest

from tests.metrics.test_sic import given
from verixplain.metrics._information import blurred
from verixplain.metrics.aic import AIC


def test_the_class_wins_everywhere_or_from_somewhere_on():
    query = given().explanation.query
    x = query.box.center
    assert x.sum() > 0 > blurred(x, query.groups.plane, 0.1, 0).sum()
    curve = np.array(AIC(start=0.1).measure(given()).details["curve"])
    assert (curve[0], curve[-1]) == (0, 1)
    assert AIC(start=0.1).measure(given()).value == pytest.approx(np.trapezoid(curve, dx=1 / 100))
    assert ((0 <= curve) & (curve <= 1)).all()


def test_what_speaks_against_the_class_last_keeps_it_longest():
    x = given().explanation.query.box.center.ravel()
    assert AIC(start=0.1).measure(given(x)).value > AIC(start=0.1).measure(given(-x)).value


def test_of_many_inputs_it_is_the_area_under_the_accuracy():
    x = given().explanation.query.box.center.ravel()
    found = [AIC(start=0.1).measure(given(scores)) for scores in (x, -x, np.roll(x, 5))]
    rows = [{"value": one.value, "details": one.details} for one in found]
    accuracy = np.mean([one.details["curve"] for one in found], axis=0)
    assert AIC().pooled(rows)[0] == pytest.approx(np.trapezoid(accuracy, dx=1 / 100))
