"""sweep.json and its picture."""

import json
from importlib.resources import files

import jsonschema
import pytest

from tests.report.examples import made_up
from verixplain.certify.sweep import Radius
from verixplain.errors import OutputError
from verixplain.report.figures.radii import radii_figure
from verixplain.report.sweep import save_sweep

FOUND = [
    Radius(0.01, -2.0, -1.0, 0.1, 0.5, 66, 40, "estimate", 0.1),
    Radius(0.1, -1.0, 0.5, 0.6, 0.7, 66, 3, "unknown", 0.1),
    Radius(1.0, 0.5, 2.5, 2.0, 0.9, 66, 0, "refuted", 0.1),
]


def test_the_file_is_as_its_schema_says(tmp_path):
    folder = save_sweep(FOUND, made_up().query, {"radii": "0.01:1:3"}, tmp_path / "sweep")
    values = json.loads((folder / "sweep.json").read_text())
    schema = json.loads((files("verixplain") / "schemas" / "sweep-1.json").read_text())
    jsonschema.validate(values, schema)
    assert [one["decided"] for one in values["radii"]] == [40, 3, 0]
    assert (folder / "sweep.png").stat().st_size > 10_000


def test_the_picture_has_a_mark_for_every_radius():
    left, right = radii_figure(FOUND, "words").axes
    assert [len(line.get_xdata()) for line in left.lines] == [3, 1, 1, 1]
    assert [len(line.get_xdata()) for line in right.lines] == [3, 3]


def test_a_folder_that_cannot_be_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        save_sweep(FOUND, made_up().query, {}, tmp_path / "file" / "below")
