import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.report.examples import made_up
from verixplain.errors import SettingError
from verixplain.report.figures.heatmap import enclosure, heatmap
from verixplain.report.figures.order import certified_order


@pytest.mark.parametrize(("kind", "verified", "panels"), [("grid", True, 3), ("grid", False, 2)])
def test_panels_stand_side_by_side(kind, verified, panels):
    figure = heatmap(made_up(kind, verified))
    maps = [axis for axis in figure.axes if axis.get_label() != "<colorbar>"]
    assert len(maps) == panels
    places = [axis.get_position() for axis in maps]
    assert all(a.x1 <= b.x0 for a, b in pairwise(places))


def test_the_headline_says_how_sure_and_how_far():
    words = heatmap(made_up()).get_suptitle()
    for word in ("class 3", "estimate", "radius 0.1", "1.6 raw", "59 of 66 pairs"):
        assert word in words


def test_colours_are_those_that_colour_blindness_leaves_apart():
    figure = heatmap(made_up("grid"))
    assert [axis.images[0].get_cmap().name for axis in figure.axes[1:3]] == ["cividis", "viridis"]
    signed = heatmap(made_up("grid", verified=False))
    assert signed.axes[1].images[0].get_cmap().name == "PuOr"


def test_inputs_of_no_group_are_said_to_be():
    figure = heatmap(made_up("holes"))
    shown = figure.axes[1].images[0].get_array()
    assert np.ma.getmaskarray(shown)[:2].all()
    assert not np.ma.getmaskarray(shown)[2:].any()
    assert any("in no group" in axis.get_ylabel() for axis in figure.axes)


def test_tables_get_bars_with_their_intervals():
    figure = heatmap(made_up("columns"))
    (axis,) = figure.axes
    assert len(axis.patches) == 30
    assert "34 more groups" in axis.get_xlabel()


def test_the_callers_matplotlib_is_left_alone():
    program = (
        "import sys\n"
        "from tests.report.examples import made_up\n"
        "from verixplain.report.figures.heatmap import heatmap\n"
        "heatmap(made_up())\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2])


def test_the_order_shows_every_pair_and_the_border_of_the_top():
    explanation = made_up("grid")
    figure = certified_order(explanation)
    left, right = figure.axes
    count = len(explanation.query.groups)
    assert len(left.patches) == count
    ends = [bar.get_x() + bar.get_width() for bar in left.patches]
    undecided = explanation.order.to_dict()["undecided"]
    assert len(right.collections[0].get_paths()) == 2 * undecided
    assert max(ends) == pytest.approx(explanation.overlaps.group_upper.max())
    best = explanation.overlaps.group_upper.argsort()
    rest = explanation.overlaps.group_lower[best[3:]]
    assert float(left.lines[0].get_xdata()[0]) == rest.min()
    wide = replace(explanation.overlaps, group_lower=explanation.overlaps.group_lower - 9)
    assert not certified_order(replace(explanation, overlaps=wide)).axes[0].lines


def test_enclosures_are_a_map_of_each_end_and_bars_for_tables():
    figure = enclosure(made_up("grid"))
    titles = [axis.get_title() for axis in figure.axes if axis.get_title()]
    assert titles == ["every group counts at least", "every group counts at most"]
    assert len(enclosure(made_up("columns")).axes) == 1


def test_what_orders_nothing_has_no_picture_of_it():
    for picture in (certified_order, enclosure):
        with pytest.raises(SettingError, match="saliency"):
            picture(made_up("grid", verified=False))


def test_a_dollar_sign_in_a_name_starts_no_formula(tmp_path):
    explanation = made_up("columns")
    names = ("$\\frac{$", *explanation.query.groups.names[1:])
    object.__setattr__(explanation.query.groups, "names", names)
    heatmap(explanation).savefig(tmp_path / "heatmap.png")
    assert (tmp_path / "heatmap.png").is_file()
