import json
from dataclasses import replace
from importlib.resources import files

import jsonschema
import numpy as np
import pytest

from tests.report.examples import made_up
from verixplain.errors import NotFiniteError
from verixplain.report import dump, explanation_dict
from verixplain.report.json import array_sha256, plain

SCHEMA = json.loads((files("verixplain") / "schemas" / "explanation-1.json").read_text())


def validate(values):
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.Draft202012Validator(SCHEMA).validate(values)


@pytest.mark.parametrize("kind", ["pixels", "grid", "holes", "columns"])
@pytest.mark.parametrize("verified", [True, False])
def test_explanations_follow_the_published_schema(kind, verified):
    values = json.loads(dump(explanation_dict(made_up(kind, verified), {"radius": 0.1})))
    validate(values)
    assert (values["overlap"] is None) == (not verified)


def test_a_key_nobody_published_is_refused():
    values = explanation_dict(made_up())
    for spoiled in ({**values, "extra": 1}, {**values, "box": {**values["box"], "extra": 1}}):
        with pytest.raises(jsonschema.ValidationError, match="extra"):
            validate(spoiled)


def test_every_number_comes_back_exactly():
    explanation = made_up("pixels")
    values = json.loads(dump(explanation.to_dict()))
    groups = values["groups"]
    overlaps = explanation.overlaps
    assert [group["overlap"]["lower"] for group in groups] == overlaps.group_lower.tolist()
    assert [group["overlap"]["upper"] for group in groups] == overlaps.group_upper.tolist()
    assert [group["importance"]["lower"] for group in groups] == explanation.group_lower.tolist()
    assert [group["score"] for group in groups] == explanation.group_scores.tolist()
    assert values["box"]["lower"]["values"] == explanation.query.box.lower.ravel().tolist()


def test_the_same_explanation_is_the_same_text():
    explanation = made_up()
    assert dump(explanation_dict(explanation)) == dump(explanation_dict(explanation))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused_by_place(bad):
    with pytest.raises(NotFiniteError, match=r"^timing\.total is"):
        explanation_dict(replace(made_up(), timing={"total": bad}))
    with pytest.raises(NotFiniteError, match=r"^a\.b\[1\] is"):
        plain({"a": {"b": [0.0, bad]}})


def test_the_hash_of_an_array_knows_its_shape_and_type():
    array = np.arange(6.0)
    hashes = {array_sha256(a) for a in (array, array.reshape(2, 3), array.astype(np.float32))}
    assert len(hashes) == 3
    assert array_sha256(array.astype(">f8")) == array_sha256(array)
    assert array_sha256(array.reshape(2, 3).T) == array_sha256(array.reshape(2, 3).T.copy())


def test_the_radius_stands_in_three_units():
    radius = made_up().to_dict()["box"]["radius"]
    assert radius["model"] == pytest.approx(0.1)
    assert radius["scaled"] == pytest.approx(0.1)
    assert radius["raw"] == pytest.approx(1.6)
