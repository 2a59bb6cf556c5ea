import numpy as np
import pytest
from captum.attr import IntegratedGradients as Theirs

from attribution.settings import digits, linear, query, tensor, torch_module
from verixplain.attribution._path import RULES, nodes
from verixplain.attribution.integrated_gradients import IntegratedGradients
from verixplain.errors import InputError, SettingError

CAPTUM = {
    "midpoint": "riemann_middle",
    "gauss-legendre": "gausslegendre",
    "trapezoid": "riemann_trapezoid",
    "left": "riemann_left",
    "right": "riemann_right",
}


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_integrates_a_line_and_its_weights_add_up_to_one(rule):
    places, weights = nodes(rule, 7)
    assert weights.sum() == pytest.approx(1)
    assert ((places >= 0) & (places <= 1)).all()
    if rule not in ("left", "right"):
        assert places @ weights == pytest.approx(0.5)


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule != "trapezoid"])
def test_captum_agrees(rule):
    of, x = digits()
    x, labels = x[:3], of(x[:3]).argmax(1)
    ours = IntegratedGradients(steps=20, rule=rule).on(of).attribute(tensor(x), labels)
    theirs = Theirs(torch_module(of)).attribute(
        tensor(x), target=tensor(labels).long(), n_steps=20, method=CAPTUM[rule]
    )
    np.testing.assert_allclose(ours, theirs.detach(), atol=1e-5)


def test_the_scores_add_up_to_the_change_from_the_baseline():
    of, x = digits()
    found = IntegratedGradients(steps=400, baseline=0.5).explain(query(of, x[0]))
    label = of(x[:1]).argmax()
    change = of(x[:1])[0, label] - of(np.full_like(x[:1], 0.5))[0, label]
    assert found.map.sum() == pytest.approx(change, abs=1e-2)
    assert abs(found.arrays["completeness_delta"]) < 1e-2
    assert any("completeness" in note for note in found.notes)


def test_the_path_without_a_way_scores_nothing():
    of, x = digits()
    found = IntegratedGradients(baseline=x[0]).explain(query(of, x[0]))
    assert (found.map == 0).all()


def test_baselines_are_given_as_captum_takes_them():
    of = linear([[1, -2], [0, 1]])
    x, baselines = np.array([[3, 5], [1, 1]], "f4"), np.array([[1, 1], [0, 0]], "f4")
    on = IntegratedGradients().on(of)
    np.testing.assert_allclose(on.attribute(x, 0, baselines), [[2, -8], [1, -2]], rtol=1e-6)
    np.testing.assert_allclose(on.attribute(x, 0, baselines[:1]), [[2, -8], [0, 0]], rtol=1e-6)
    np.testing.assert_allclose(on.attribute(x, [0, 1], 1), [[2, -8], [0, 0]], rtol=1e-6)
    with pytest.raises(InputError, match="2 inputs but 3 baselines"):
        on.attribute(x, 0, np.zeros((3, 2)))
    with pytest.raises(InputError, match="2 inputs but 3 targets"):
        on.attribute(x, [0, 1, 0])


@pytest.mark.parametrize(
    "settings", [{"rule": "simpson"}, {"steps": 0}, {"steps": 1, "rule": "trapezoid"}]
)
def test_settings_that_cannot_be_are_refused(settings):
    with pytest.raises(SettingError):
        IntegratedGradients(**settings)


def test_a_baseline_of_another_shape_is_refused():
    of, x = digits()
    with pytest.raises(SettingError, match="neither a number nor an array of shape"):
        IntegratedGradients(baseline=np.zeros(3)).explain(query(of, x[0]))
