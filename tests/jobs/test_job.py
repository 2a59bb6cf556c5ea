"""Job files: what is read, and how everything else is refused."""

import json
from importlib.resources import files

import pytest
from jsonschema import Draft202012Validator

from jobs.conftest import EVA, QUESTION, written
from verixplain import cli, models
from verixplain.errors import JobError
from verixplain.jobs.job import _check_claims, read
from verixplain.jobs.plan import items, surveys

SURVEYED = {
    "outcome": "done",
    "reason": "",
    "facts": {
        "sha256": "model",
        "card": {},
        "crown_bytes": 1,
        "data": {
            "digits_inputs.npz": [{"index": k, "sha256": str(k), "label": 0} for k in range(3)]
        },
    },
}


def test_the_schema_is_one():
    schema = json.loads((files("verixplain") / "schemas" / "job-1.json").read_text())
    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == "job/1"


def test_a_job_is_read_with_its_defaults(job):
    found = read(job(limits={"seconds": 5, "memory": "1.5 GiB"}))
    assert found.name == "job"
    assert found.limits.memory == 3 * 2**29
    assert (found.limits.seconds, found.limits.attempts) == (5, 2)
    assert found.models[0].name == "digits_mlp"
    assert found.methods[0].claims == ("prediction", "order", "top-k")


HOSTILE = {
    "no key 'modells'; there are: schema, name": {"modells": [{"path": "x"}]},
    "models\\[0\\]: no key 'pth'": {"models": [{"pth": "x"}]},
    "models\\[0\\]: the key 'path' is missing": {"models": [{"name": "x"}]},
    "questions\\[0\\].units: 'inches'": {"questions": [{"radius": 0.1, "units": "inches"}]},
    "questions\\[0\\].radius": {"questions": [{"radius": -0.1}]},
    "either --radius or both": {"questions": [{"groups": "pixels"}]},
    "limits.seconds": {"limits": {"seconds": 0}},
    "limits.memory": {"limits": {"memory": "much"}},
    "no method 'evva'; there are: ": {"methods": [{**EVA, "method": "evva"}]},
    "no claim 'truth'; there are: ": {"methods": [{**EVA, "claims": ["truth"]}]},
    "two questions are called 'quarters'": {"questions": [QUESTION, QUESTION]},
    "no models called 'other'": {"questions": [{**QUESTION, "models": ["other"]}]},
    "no data called 'other'": {"questions": [{**QUESTION, "data": ["other"]}]},
    "the job has no methods": {"methods": None},
    "the job has no models and no data": {"models": None, "data": None},
    "schema: 'job/1' was expected": {"schema": "job/9"},
    "seed": {"seed": -1},
    "cannot read": {"instances": [{"path": "missing.csv"}]},
}


@pytest.mark.parametrize("words", HOSTILE)
def test_what_is_no_job_is_refused(job, words):
    with pytest.raises(JobError, match=words):
        read(job(**HOSTILE[words]))


@pytest.mark.parametrize("text", [b"\xff", b"models = [", b"= 1"])
def test_what_is_no_toml_is_refused(tmp_path, text):
    (tmp_path / "job.toml").write_bytes(text)
    with pytest.raises(JobError, match="not TOML"):
        read(tmp_path / "job.toml")


def test_a_hostile_job_is_a_usage_error(tmp_path, capsys):
    path = written(tmp_path, modells=[{"path": "x"}])
    assert cli.execute(["run", str(path), "--out", str(tmp_path / "run")]) == 2
    assert "no key 'modells'" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    assert cli.execute(["status", str(tmp_path)]) == 2
    assert "is no run" in capsys.readouterr().err


def keys(path):
    found = read(path)
    return [item.key for item in items(found, {name: SURVEYED for name in surveys(found)})]


def test_a_key_is_the_hash_of_what_decides_the_result(job):
    usual = keys(job())
    assert len(set(usual)) == 3
    assert keys(job()) == usual
    assert keys(job(limits={"seconds": 9})) == usual
    assert keys(job(name="another")) == usual
    for change in (
        {"seed": 1},
        {"questions": [{**QUESTION, "radius": 0.04}]},
        {"methods": [{**EVA, "top_k": 2}]},
        {"methods": [{**EVA, "settings": {**EVA["settings"], "steps": 3}}]},
        {"models": [{"path": str(models.find("digits_mlp")), "output": "y"}]},
    ):
        assert not set(keys(job(**change))) & set(usual), change


def test_the_same_question_twice_is_one_item(job):
    twice = [QUESTION, {**QUESTION, "name": "again"}]
    assert len(keys(job(questions=twice))) == 3


def test_instances(tmp_path):
    (tmp_path / "instances.csv").write_text("onnx/a.onnx,p.vnnlib,116\n\na.onnx,p.vnnlib,2\n")
    found = items(read(tmp_path / "instances.csv"), {})
    assert [item.task["seconds"] for item in found] == [116, 2]
    assert found[0].claims == ("property",)
    for text in ("a.onnx,p.vnnlib", "a,b,c", "a,b,-1", ""):
        (tmp_path / "instances.csv").write_text(text)
        with pytest.raises(JobError):
            read(tmp_path / "instances.csv")


@pytest.mark.parametrize(
    ("claim", "words"),
    [
        ("truth", "no claim"),
        ("pair:1", "pair:U,V"),
        ("sufficient", "budget"),
        ("order:1", "order"),
    ],
)
def test_claims_are_kinds_that_an_explanation_settles(claim, words):
    for known in ("order", "top-k", "top-k:2", "pair:1,2", "prediction"):
        _check_claims((known,), {}, "", "eva")
    with pytest.raises(JobError, match=words):
        _check_claims((claim,), {}, "", "eva")


def test_proofs_go_with_eva_and_known_options():
    _check_claims(("sufficient", "stability"), {"shift": "max"}, "10s", "eva")
    for claims, options, budget, method in [
        (("order",), {}, "10s", "saliency"),
        ((), {}, "10s", "eva"),
        (("order",), {"shift": 0.1}, "10s", "eva"),
        (("order",), {}, "ten", "eva"),
        (("stability",), {}, "10s", "eva"),
    ]:
        with pytest.raises(JobError):
            _check_claims(claims, options, budget, method)
