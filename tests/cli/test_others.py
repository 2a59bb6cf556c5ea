import json
import shutil

import numpy as np
import pytest

import verixplain
from tests.cli.conftest import QUICK
from verixplain import cli


@pytest.fixture(scope="module")
def explained(tmp_path_factory, model, digits):
    folder = tmp_path_factory.mktemp("explained")
    words = ["explain", str(model), f"{digits}#3", "--radius", "0.1", *QUICK, "--out", str(folder)]
    assert cli.execute(words) == 0
    return folder / "explanation.npz"


def test_replay_shows_what_the_explanation_claims(say, model, explained):
    values = json.loads((explained.parent / "explanation.json").read_text())
    said = say("replay", model, f"{explained}#0:4", "--json")
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert [one["group"] for one in found] == [0, 1, 2, 3]
    assert all(one["held"] and one["in_box"] for one in found)
    for one, group in zip(found, values["groups"], strict=True):
        assert one["overlap"] == pytest.approx(group["overlap"]["lower"], abs=1e-3)
    (best,) = json.loads(say("replay", model, explained, "--json").out)
    assert best["overlap"] == pytest.approx(values["overlap"]["lower"], abs=1e-3)
    assert best["group"] is None


def test_replay_speaks_in_words(say, model, explained):
    said = say("replay", model, f"{explained}#2")
    assert said.code == 0
    for words in ("witness#2", "in the box", "yes, every number", "held still, exactly", "minus"):
        assert words in said.out


def test_a_witness_that_cheats_is_found_out(say, model, explained, tmp_path):
    with np.load(explained) as archive:
        arrays = dict(archive)
    members = arrays["group_inputs"][: arrays["group_starts"][1]]
    moved = arrays["witness"].copy()
    place = np.unravel_index(members[0], moved[0].shape)
    moved[(0, *place)] = np.nextafter(moved[(0, *place)], np.float32(1), dtype=moved.dtype)
    np.savez(tmp_path / "cheat.npz", **{**arrays, "witness": moved})
    said = say("replay", model, f"{tmp_path}/cheat.npz#0")
    assert said.code == 1
    assert "NOT held still" in said.out
    outside = np.full_like(arrays["witness_box"], 2.0)
    np.savez(tmp_path / "cheat.npz", **{**arrays, "witness_box": outside})
    said = say("replay", model, tmp_path / "cheat.npz")
    assert said.code == 1
    assert "in the box  NO" in said.out


def test_any_input_can_be_replayed(say, model, digits):
    said = say("replay", model, f"{digits}#5", "--json")
    assert said.code == 0
    assert json.loads(said.out)[0]["label"] == 5


def test_inspect_goes_node_by_node(say, model, digits):
    said = say("inspect", model)
    assert said.code == 0
    for words in ("Gemm", "relaxed", "exact", "3,466", "ONNX Runtime", "x 8 bytes"):
        assert words in said.out
    found = json.loads(say("inspect", model, f"{digits}", "--json").out)
    assert found["parity"]["points"] == 20
    assert found["parity"]["relative"] < 1e-5
    assert {node["bounds"] for node in found["nodes"]} == {"exact", "relaxed"}
    assert found["crown_memory"]["bytes"] == 32 * 64 * 8 * 6


def test_doctor_is_well_here(say):
    said = say("doctor")
    assert said.code == 0, said.out
    for words in ("torch", "auto_LiRPA", "bounds can be computed", "CUDA"):
        assert words in said.out
    assert "auto_LiRPA" in json.loads(say("doctor", "--json").out)["found"]


def test_doctor_gives_the_command_for_what_is_missing(say, monkeypatch):
    from verixplain.bounds import _lirpa
    from verixplain.errors import MissingDependencyError

    def missing():
        raise MissingDependencyError(f"certified bounds need auto_LiRPA: {_lirpa.INSTALL}")

    monkeypatch.setattr(_lirpa, "library", missing)
    said = say("doctor")
    assert said.code == 4
    assert "pip install --no-deps auto-LiRPA==0.3" in said.out


def test_the_demo_writes_an_explanation(say, tmp_path):
    said = say("demo", "--out", tmp_path / "demo")
    assert said.code == 0, said.err
    assert "class 8" in said.out
    assert "verixplain explain" in said.out
    values = json.loads((tmp_path / "demo" / "explanation.json").read_text())
    assert values["model"]["name"] == "digits_cnn"
    assert values["order"]["estimate"] > 0
    shutil.rmtree(tmp_path / "demo")


def test_there_is_a_version(say):
    said = say("--version")
    assert (said.code, verixplain.__version__ in said.out) == (0, True)
    assert say("nothing").code == 2
