import json
import os
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import verixplain
from tests.report.examples import made_up
from verixplain import report
from verixplain.errors import NotFiniteError, OutputError


def test_a_folder_has_the_three_files_and_nothing_else(tmp_path):
    explanation = made_up("pixels")
    folder = verixplain.save(explanation, tmp_path / "new" / "folder")
    assert sorted(path.name for path in folder.iterdir()) == sorted(report.FILES)
    assert json.loads((folder / "explanation.json").read_text())["schema"] == "explanation/1"
    with Image.open(folder / "heatmap.png") as picture:
        assert picture.format == "PNG"


def test_the_arrays_have_the_inputs_shape_and_exact_members(tmp_path):
    explanation = made_up("grid")
    verixplain.save(explanation, tmp_path)
    with np.load(tmp_path / "explanation.npz", allow_pickle=False) as arrays:
        for name in ("scores", "lower", "upper", "label_map", "input", "box_lower", "box_upper"):
            assert arrays[name].shape == (1, 8, 8), name
        assert arrays["witness"].shape == (12, 1, 8, 8)
        assert arrays["witness_box"].shape == (1, 8, 8)
        assert arrays["target_coefficients"].shape == (9, 10)
        starts, inputs = arrays["group_starts"], arrays["group_inputs"]
        for number, members in enumerate(explanation.query.groups.members):
            np.testing.assert_array_equal(inputs[starts[number] : starts[number + 1]], members)
        np.testing.assert_array_equal(arrays["lower"], explanation.lower)


def test_gradient_methods_have_no_enclosures(tmp_path):
    verixplain.save(made_up("grid", verified=False), tmp_path)
    with np.load(tmp_path / "explanation.npz") as arrays:
        assert not {"lower", "upper", "witness", "witness_box"} & set(arrays.files)


def test_a_result_that_is_not_finite_leaves_nothing(tmp_path):
    with pytest.raises(NotFiniteError):
        verixplain.save(replace(made_up(), timing={"total": np.nan}), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(OutputError, match="Choose another folder"):
        verixplain.save(made_up(), tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


def test_a_full_disk_keeps_the_earlier_result_whole(tmp_path, monkeypatch):
    verixplain.save(made_up(), tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left on device"):
        verixplain.save(made_up("pixels"), tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
