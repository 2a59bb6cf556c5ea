"""verixplain sweep."""

import json


def test_it_prints_a_line_a_radius_and_writes_the_files(say, model, digits, tmp_path):
    said = say(
        "sweep", model, f"{digits}#3", "--radii", "0.01:0.1:3", "--groups", "grid:2x2",
        "--set", "steps=2", "--out", tmp_path,
    )  # fmt: skip
    assert said.code == 0, said.err
    for words in ("0.01", "0.0316228", "of 6", "stand up to"):
        assert words in said.out
    assert len(json.loads((tmp_path / "sweep.json").read_text())["radii"]) == 3


def test_radii_that_are_none_are_usage_errors(say, model, digits):
    assert say("sweep", model, f"{digits}#3", "--radii", "0.1").code == 2
    said = say("sweep", model, f"{digits}#3", "--radii", "1:2:2", "--lower", "a", "--upper", "b")
    assert said.code == 2
