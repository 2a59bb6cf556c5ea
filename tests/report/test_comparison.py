from dataclasses import replace

import numpy as np
import pytest

from tests.report.examples import made_up
from verixplain.metrics._agreement import agreement
from verixplain.report.figures.agreement import agreement_squares
from verixplain.report.figures.evaluation import evaluation_panels
from verixplain.report.figures.methods import comparison
from verixplain.report.figures.sanity import sanity_curves


def named(kind: str, names: list[str]) -> list:
    one = made_up(kind, verified=False)
    return [replace(one, method=name) for name in names]


def titles(figure) -> list[str]:
    return [axis.get_title().split("\n")[0] for axis in figure.axes if axis.get_title()]


@pytest.mark.parametrize("kind", ["grid", "pixels", "holes"])
@pytest.mark.parametrize("count", [1, 4, 29])
def test_the_sheet_has_the_input_and_every_method_and_is_wider_than_high(kind, count):
    names = [f"method-{k}" for k in range(count)]
    figure = comparison(named(kind, names))
    assert titles(figure) == ["input", *names]
    width, height = figure.get_size_inches()
    assert width > height or count == 1


def test_maps_of_one_value_and_of_one_sign_can_be_drawn():
    one = made_up("pixels", verified=False)
    for scores in (np.zeros(64), np.ones(64), -np.ones(64), np.arange(64.0) + 900):
        comparison([replace(one, group_scores=scores)])


def test_a_table_has_a_row_a_method():
    figure = comparison(named("columns", ["saliency", "lrp"]))
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["saliency", "lrp"]


def line(method, check, step, mean, score=0.5, similarity="spearman"):
    return {
        "method": method, "check": check, "step": step, "level": 0.1, "similarity": similarity,
        "mean": mean, "standard_error": None, "score": score,
    }  # fmt: skip


def test_noise_is_drawn_by_level_and_by_prediction_and_gaps_are_left_out():
    lines = [
        line("saliency", "class", "last class", None),
        line("lrp", "class", "last class", 0.4),
        *[line("saliency", "model-perturbation", f"{k} %", 1 - k / 100, k / 100) for k in (10, 50)],
        line("saliency", "class", "last class", 0.9, similarity="ssim"),
    ]
    figure = sanity_curves(lines)
    assert titles(figure) == ["class", "model-perturbation", "model-perturbation by the prediction"]
    drawn = figure.axes[2].lines[0]
    np.testing.assert_allclose(np.asarray(drawn.get_xdata(), float), [0.1, 0.5])
    np.testing.assert_allclose(np.asarray(drawn.get_ydata(), float), [0.9, 0.5])
    assert {text.get_text() for text in figure.legends[0].get_texts()} == {
        *("saliency", "lrp", "softmax of the class")
    }


def test_methods_that_agree_stand_side_by_side_and_every_square_has_its_number():
    a, b = np.arange(6.0), np.array([0.0, 1, 2, 3, 5, 4])
    found = agreement(["a", "other", "b"], [{"a": a, "other": -a, "b": b}])
    axis = agreement_squares(found).axes[0]
    names = [label.get_text() for label in axis.get_yticklabels()]
    assert abs(names.index("a") - names.index("b")) == 1
    numbers = {text.get_text() for text in axis.texts}
    assert numbers == {"1.00", "-1.00", f"{found.mean[0, 2]:.2f}", f"{-found.mean[0, 2]:.2f}"}


def test_a_method_without_a_map_is_grey():
    found = agreement(["a", "b", "none"], [{"a": np.arange(4), "b": np.arange(4)}])
    figure = agreement_squares(found)
    assert np.ma.count_masked(figure.axes[0].images[0].get_array()) == 5
    assert "no map to compare" in figure.axes[1].get_ylabel()


def test_every_metric_has_a_panel_and_the_best_stands_out():
    lines = [
        {"method": method, "metric": metric, "direction": direction, "mean": mean,
         "standard_error": 0.1, "lower_mean": lower}
        for method, metric, direction, mean, lower in [
            ("saliency", "deletion", "lower", 0.2, None), ("lrp", "deletion", "lower", 0.3, None),
            ("saliency", "robustness-sr", "lower", 0.5, 0.33), ("lrp", "sic", "higher", None, None),
        ]
    ]  # fmt: skip
    figure = evaluation_panels(lines)
    assert [title.split()[0] for title in titles(figure)] == ["deletion", "robustness-sr"]
    colours = [one.lines[0].get_color() for one in figure.axes[0].containers]
    assert colours[0] != colours[1]  # the smaller is better
    bars = [float(one.get_xdata()[0]) for one in figure.axes[1].lines if one.get_marker() == "|"]
    assert 0.33 in bars
