import json

import numpy as np
import pytest

from verixplain.registry import methods


def test_every_method_is_listed_with_what_it_needs_and_costs(say):
    said = say("methods", "--json")
    assert said.code == 0
    found = {one["name"]: one for one in json.loads(said.out)}
    assert sorted(found) == sorted(methods)
    assert found["eva"]["guarantee"] == "estimate"
    assert found["integrated-gradients"]["cost"] == "50 gradients"
    assert "convolution" in found["grad-cam"]["needs"]
    for one in found.values():
        assert one["summary"].endswith(".")
        assert any(word in one["source"] for word in ("arXiv", "doi", "openreview"))
        undocumented = [s["name"] for s in one["settings"] if not s["meaning"]]
        assert not undocumented, one["name"]


def test_the_table_has_a_line_for_every_method(say):
    said = say("methods")
    assert said.code == 0
    assert all(name in said.out for name in methods)


def test_one_method_says_its_settings(say):
    said = say("methods", "lrp")
    assert said.code == 0
    for words in ("alpha2-beta1", "epsilon", "Bach et al. 2015", "sanity checks"):
        assert words in said.out


def test_an_unknown_method_lists_the_known_ones(say):
    said = say("methods", "deep-taylor")
    assert said.code == 2
    assert "no method 'deep-taylor'; there are: big," in said.err


@pytest.mark.parametrize("name", [name for name in methods if "cam" not in name and name != "eva"])
def test_explain_takes_every_method_and_its_settings(say, model, digits, tmp_path, name):
    quick = {
        "rise": ["masks=20"],
        "noise-grad": ["draws=2", "base=gradient-times-input"],
        "fusion-grad": ["draws=2", "samples=2"],
        "ggig": ["steps=3", "iterations=2"],
        "geg": ["samples=2"],
        "guided-integrated-gradients": ["steps=5"],
    }
    settings = [word for one in quick.get(name, []) for word in ("--set", one)]
    words = ("explain", model, f"{digits}:inputs#0", "--method", name, "--radius", 0.05)
    said = say(*words, "--groups", "grid:2x2", "--out", tmp_path, *settings)
    assert said.code == 0, said.err
    assert "no claim is made about these numbers" in said.out
    written = json.loads((tmp_path / "explanation.json").read_text())
    assert written["method"] == name
    assert written["guarantee"] == "none"
    assert len(written["groups"]) == 4
    for setting in quick.get(name, []):
        key, _, value = setting.partition("=")
        found = written["settings"][key]
        assert str(found["name"] if key == "base" else found) == value


def test_a_method_that_cannot_explain_the_model_says_so(say, model, digits):
    said = say("explain", model, f"{digits}:inputs#0", "--method", "grad-cam", "--radius", 0.05)
    assert said.code == 4
    assert "grad-cam needs a convolution" in said.err


def test_without_a_box_only_methods_that_look_at_one_ask_for_a_radius(say, model, digits):
    words = ("explain", model, f"{digits}:inputs#0", "--groups", "grid:2x2", "--method")
    assert say(*words, "saliency").code == 0
    for method in ("eva", "expected-gradients"):
        said = say(*words, method)
        assert said.code == 2
        assert "--radius" in said.err


def test_settings_of_the_base_method_are_named_after_it(say, model, digits, tmp_path):
    words = ("explain", model, f"{digits}:inputs#0", "--method", "noise-grad", "--out", tmp_path)
    words += ("--set", "draws=2", "--set", "base=smoothgrad", "--set", "base.samples=3")
    said = say(*words, "--groups", "grid:2x2")
    assert said.code == 0, said.err
    written = json.loads((tmp_path / "explanation.json").read_text())
    assert written["settings"]["base"]["name"] == "smoothgrad"
    assert written["settings"]["base"]["samples"] == 3
    said = say(*words[:5], "--set", "base.samples=3")  # saliency has none
    assert said.code == 2
    assert "method 'saliency'" in said.err
    said = say(*words[:5], "--set", "inner.samples=3")
    assert "has no setting 'inner'" in said.err


def test_references_and_baselines_come_from_files(say, model, digits, tmp_path):
    words = ("explain", model, f"{digits}:inputs#0", "--out", tmp_path, "--groups", "grid:2x2")
    references = f"references=@{digits}:inputs#1:5"
    said = say(*words, "--method", "expected-gradients", "--set", references)
    assert said.code == 0, said.err
    assert "from the references" in said.out
    with np.load(tmp_path / "explanation.npz") as archive, np.load(digits) as given:
        drawn = {one.tobytes() for one in archive["method_baselines"].astype("f4")}
        assert drawn == {one.tobytes() for one in given["inputs"][1:5]}
    settings = json.loads((tmp_path / "explanation.json").read_text())["settings"]
    assert settings["references"]["shape"] == [4, 1, 8, 8]
    baseline = f"baseline=@{digits}:inputs#3"
    assert say(*words, "--method", "integrated-gradients", "--set", baseline).code == 0
