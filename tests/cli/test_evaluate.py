import csv
import json

import numpy as np
import pytest

WORDS = ["--groups", "grid:2x2", "--set", "deletion.steps=4"]


def test_a_table_is_printed_and_written_and_goes_on_where_it_stopped(say, model, digits, tmp_path):
    words = ["evaluate", model, f"{digits}:inputs#0:3", "--methods", "saliency,lrp"]
    words += ["--metrics", "deletion,sparseness", *WORDS, "--out", tmp_path]
    said = say(*words)
    assert said.code == 0, said.err
    assert "deletion ↓" in said.out
    assert "±" in said.out
    lines = list(csv.DictReader((tmp_path / "evaluation.csv").open()))
    assert [(line["method"], line["count"]) for line in lines] == [
        *[("saliency", "3")] * 2,
        *[("lrp", "3")] * 2,
    ]
    written = json.loads((tmp_path / "evaluation.json").read_text())
    assert written["metrics"][0]["settings"]["steps"] == 4
    rows = (tmp_path / "rows.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "rows.jsonl").write_bytes(b"".join(rows[:5]))
    again = say(*words)
    assert "5 rows were there already" in again.out
    assert len((tmp_path / "rows.jsonl").read_bytes().splitlines()) == 12


def test_radii_and_audit_have_tables_of_their_own(say, model, digits):
    words = ["evaluate", model, f"{digits}:inputs#0:2", "--methods", "saliency", "--metrics"]
    quick = ["--set", "robustness-sr.steps=3", "--set", "robustness-sr.rounds=3"]
    said = say(*words, "robustness-sr", "--audit", 2, "--radius", 0.01, *quick, *WORDS[:2])
    assert said.code == 0, said.err
    assert "[>=" in said.out
    assert "robustness-sr, [bounds, attack]" in said.out
    assert "undecided" in said.out


def test_masks_say_where_the_objects_are(say, model, digits, tmp_path):
    np.save(tmp_path / "masks.npy", np.tri(8)[None].repeat(2, 0).astype(np.uint8))
    words = ["evaluate", model, f"{digits}:inputs#0:2", "--methods", "saliency"]
    words += ["--metrics", "energy-game,pointing-game"]
    assert say(*words, "--masks", tmp_path / "masks.npy").code == 0
    said = say(*words)
    assert said.code == 4
    assert "energy-game: 2 rows failed: InputError: localisation needs a mask" in said.out
    np.save(tmp_path / "few.npy", np.ones((1, 8, 8)))
    said = say(*words, "--masks", tmp_path / "few.npy")
    assert said.code == 2
    assert "no mask for input 1" in said.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--methods", "magic"], "no method 'magic'"),
        (["--methods", "saliency", "--metrics", "luck"], "no metric 'luck'"),
        (["--methods", "saliency", "--set", "steps=3"], "PART.NAME=VALUE"),
        (["--methods", "saliency", "--set", "eva.steps=3"], "not evaluated"),
        (["--methods", "eva"], "--radius"),
        (["--methods", "saliency", "--audit", "2"], "--radius"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(say, model, digits, words, message):
    said = say("evaluate", model, f"{digits}:inputs#0:2", *words)
    assert said.code == 2
    assert message in said.err
