from dataclasses import replace

import numpy as np
import pytest

from tests.report.examples import made_up
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
