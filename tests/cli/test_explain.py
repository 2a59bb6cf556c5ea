import csv
import json

import numpy as np
import pytest

from tests.cli.conftest import QUICK
from verixplain.errors import BoundFailedError


def test_one_input_gives_a_table_and_three_files(say, model, digits, tmp_path):
    said = say("explain", model, f"{digits}#3", "--radius", 0.02, *QUICK, "--out", tmp_path)
    assert said.code == 0, said.err
    assert "class 3 ahead of every other class" in said.out
    assert "estimate" in said.out
    assert "0.32 raw (ink from 0 to 16)" in said.out
    assert "numbers taken as the model's units" in said.out
    assert {p.name for p in tmp_path.iterdir()} == {
        "explanation.json",
        "explanation.npz",
        "heatmap.png",
    }
    values = json.loads((tmp_path / "explanation.json").read_text())
    assert values["grouping"] == "grid:2x2"
    assert values["settings"]["steps"] == 2
    assert values["request"]["radius"] == "0.02"
    assert values["request"]["input"] == "digits_inputs.npz:inputs#3"
    assert values["request"]["label"] == 3


def test_several_inputs_have_a_folder_each_and_a_bad_one_loses_none(say, model, digits, tmp_path):
    with np.load(digits) as archive:
        inputs, labels = archive["inputs"][:3].copy(), archive["labels"][:3]
    inputs[1, 0, 0, 0] = np.nan
    np.savez(tmp_path / "some.npz", inputs=inputs, labels=labels)
    out = tmp_path / "out"
    said = say("explain", model, f"{tmp_path}/some.npz", "--radius", 0.02, *QUICK, "--out", out)
    assert said.code == 4
    assert "2 of 3 inputs explained" in said.out
    assert sorted(p.name for p in out.iterdir()) == ["0", "2", "summary.csv"]
    with (out / "summary.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [line["result"] for line in lines] == ["done", "error", "done"]
    assert "InputError: some.npz:inputs#1 is nan" in lines[1]["error"]
    assert lines[2]["predicted"] == "2"
    saved = json.loads((out / "2" / "explanation.json").read_text())
    assert float(lines[2]["overlap_upper"]) == saved["overlap"]["upper"]


def test_an_error_of_one_input_alone_is_the_exit_code(say, model, digits, monkeypatch):
    import verixplain.cli._explain as module

    def failing(*_, **__):
        raise BoundFailedError("nothing works")

    monkeypatch.setattr(module, "explain", failing)
    said = say("explain", model, f"{digits}#0", "--radius", 0.02)
    assert said.code == 4
    assert said.err.strip() == "BoundFailedError: nothing works"
    assert "Traceback" in say("explain", model, f"{digits}#0", "--radius", 0.02, debug=True).err


def test_a_bug_is_told_apart_and_is_not_a_refutation(say, model, digits, monkeypatch):
    import verixplain.cli._explain as module

    monkeypatch.setattr(module, "explain", lambda *_, **__: 1 / 0)
    said = say("explain", model, f"{digits}#0", "--radius", 0.02)
    assert said.code == 4
    assert "bug in verixplain" in said.err


def test_an_interrupt_is_130(say, model, digits, monkeypatch):
    import verixplain.cli._explain as module

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "explain", interrupted)
    said = say("explain", model, f"{digits}#0", "--radius", 0.02)
    assert said.code == 130
    assert "interrupted" in said.err


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--radius", "0.02", "--method", "lime"], "no method 'lime'; there are:"),
        (["--radius", "0.02", "--bound", "lp"], "UnknownNameError: no bound method 'lp'"),
        (["--radius", "0.02", "--set", "colour=red"], "SettingError: method 'eva'"),
        (["--radius", "0.02", "--set", "steps"], "give name=value"),
        (["--radius", "0.02", "--engine", "steam"], "SettingError: no engine 'steam'"),
        (["--radius", "0.02", "--top-k", "0"], "top-k must be at least 1"),
        (["--radius", "0.02", "--groups", "grid:9"], "GroupsError: no groups 'grid:9'"),
        (["--radius", "0.02", "--groups", "grid:9x9"], "does not fit an image of 8x8"),
        (["--radius", "0.02", "--groups", "hexagons"], "pixels | grid:HxW | superpixels:N"),
        (["--radius", "0.02", "--groups", "columns:a=99"], "no column '99'"),
        (["--radius", "0.02", "--target", "12"], "TargetError: no class 12"),
        (["--radius", "0.02", "--against", "3"], "TargetError: a pair needs two classes"),
        (["--radius", "0.02", "--target", "4", "--label-check"], "predicted as class 3, not"),
        (["--radius", "0.02", "--at-most", "1"], "network with one output; this one has 10"),
        (["--radius", "0.02", "--clip", "0.5", "1"], "RegionError: the center must lie in its box"),
        (["--radius", "-1"], "RegionError: the radius must not be negative"),
        (["--radius", "far"], "RegionError: the radius is 'far'"),
        (["--radius", "far.npy"], "InputError: no file 'far.npy'"),
        (["--radius", "0.02", "--radius-units", "inch"], "SettingError: no units 'inch'"),
        (["--radius", "0.02", "--lower", "a.npy"], "--lower and --upper go together"),
        ([], "give either --radius or both"),
        (["--radius", "0.02", "--layout", "spiral"], "CardError: layout is 'spiral'"),
        (["--radius", "0.02", "--mean", "a"], "SettingError: --mean is 'a'"),
        (["--radius", "0.02", "--shape", "8,x"], "SettingError: --shape is '8,x'"),
        (["--radius", "0.02", "--nonsense"], "No such option"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused_in_one_message(say, model, digits, flags, words):
    said = say("explain", model, f"{digits}#3", *flags)
    assert said.code == 2, said.err
    assert words in said.err
    assert "Traceback" not in said.err
    assert said.out == ""


def test_a_model_that_is_none_is_an_error(say, digits, tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"nothing")
    said = say("explain", tmp_path / "m.onnx", f"{digits}#0", "--radius", 0.1)
    assert said.code == 4
    assert said.err.startswith("ModelFormatError: ")


def explained(say, model, digits, tmp_path, *flags):
    said = say("explain", model, digits, *flags, *QUICK, "--out", tmp_path / "out")
    assert said.code == 0, said.err
    with np.load(tmp_path / "out" / "explanation.npz") as arrays:
        return dict(arrays)


def test_units_of_the_radius(say, model, digits, tmp_path):
    boxes = [
        explained(say, model, f"{digits}#3", tmp_path, "--radius", radius, "--radius-units", units)
        for radius, units in ((0.02, "model"), (0.02, "scaled"), (0.32, "raw"))
    ]
    for box in boxes[1:]:
        np.testing.assert_allclose(box["box_upper"], boxes[0]["box_upper"], rtol=1e-12)
    assert boxes[0]["box_lower"].min() == 0.0  # cut with the card's range
    free = explained(say, model, f"{digits}#3", tmp_path, "--radius", 0.02, "--no-clip")
    assert free["box_lower"].min() == -0.02


def test_a_radius_per_feature_and_ends_from_files(say, model, digits, tmp_path):
    radii = np.linspace(0, 0.02, 64).reshape(1, 8, 8)
    np.save(tmp_path / "radii.npy", radii)
    by_radius = explained(
        say, model, f"{digits}#3", tmp_path, "--radius", tmp_path / "radii.npy", "--no-clip"
    )
    center = by_radius["input"].astype(np.float64)
    np.testing.assert_array_equal(by_radius["box_upper"], center + radii)
    for name in ("box_lower", "box_upper"):
        np.save(tmp_path / f"{name}.npy", by_radius[name])
    flags = ["--lower", tmp_path / "box_lower.npy", "--upper", tmp_path / "box_upper.npy"]
    by_ends = explained(say, model, f"{digits}#3", tmp_path, *flags)
    for name in ("box_lower", "box_upper"):
        np.testing.assert_array_equal(by_ends[name], by_radius[name])


def test_a_targeted_pair_says_so(say, model, digits, tmp_path):
    flags = ["--radius", 0.02, *QUICK, "--against", 9]
    said = say("explain", model, f"{digits}#3", *flags)
    assert "class 3 ahead of class 9 alone" in said.out


def test_raw_numbers_are_converted_and_it_says_so(say, model, digits, tmp_path):
    with np.load(digits) as archive:
        np.save(tmp_path / "ink.npy", (archive["inputs"][3] * 16).astype(np.uint8))
    arrays = explained(say, model, tmp_path / "ink.npy", tmp_path, "--radius", 0.02)
    with np.load(digits) as archive:
        np.testing.assert_array_equal(arrays["input"], archive["inputs"][3])
    said = say("explain", model, tmp_path / "ink.npy", "--radius", 0.02, *QUICK)
    assert "raw, converted by the card" in said.out
