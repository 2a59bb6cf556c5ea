import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import QUICK

CLAIMS = ("--claim", "order", "--claim", "top-k:1", "--claim", "pair:0,3", "--claim", "prediction")


@pytest.fixture
def schema():
    import verixplain

    folder = Path(verixplain.__file__).parent / "schemas"
    return json.loads((folder / "claims-1.json").read_text())


def test_claims_are_written_beside_the_explanation(say, model, digits, tmp_path, schema):
    jsonschema = pytest.importorskip("jsonschema")
    said = say(
        "certify", model, f"{digits}#3", "--radius", 0.02, *QUICK, *CLAIMS, "--out", tmp_path
    )
    assert said.code in (0, 3), said.err
    values = json.loads((tmp_path / "claims.json").read_text())
    jsonschema.validate(values, schema)
    claims = {claim["kind"]: claim for claim in values["claims"]}
    assert claims["prediction"]["status"] == "certified"
    assert claims["prediction"]["semantics"] == "real+float32"
    assert claims["prediction"]["bound"] < 0
    certificate = tmp_path / claims["prediction"]["certificate"]
    checked = say("check", model, certificate)
    assert checked.code == 0
    assert "class 3 has the strictly largest score" in checked.out
    assert claims["order"]["details"]["order"]["pairs"] == 6
    assert (tmp_path / "explanation.json").exists()


def test_a_refuted_prediction_has_a_witness_that_replays(say, model, digits, tmp_path):
    said = say(
        "certify", model, f"{digits}#3", "--radius", 0.9, *QUICK, "--claim", "prediction",
        "--out", tmp_path,
    )  # fmt: skip
    assert said.code == 1, said.err
    (claim,) = json.loads((tmp_path / "claims.json").read_text())["claims"]
    assert claim["status"] == "refuted"
    with np.load(tmp_path / claim["witness"]) as beside:
        assert (beside["box_lower"] <= beside["witness_box"]).all()
    again = say("replay", model, f"{tmp_path / claim['witness']}")
    assert again.code == 0, again.err


def test_a_used_up_budget_is_a_timeout_and_keeps_the_bounds(say, model, digits, tmp_path):
    said = say(
        "certify", model, f"{digits}#3", "--radius", 0.05, *QUICK, "--claim", "order",
        "--budget", "0nodes", "--out", tmp_path,
    )  # fmt: skip
    assert said.code == 3, said.err
    (claim,) = json.loads((tmp_path / "claims.json").read_text())["claims"]
    assert claim["status"] == "timeout"
    assert claim["stopped_by"] == "budget"
    assert claim["spent"]["nodes"] == 0


@pytest.mark.parametrize(
    "words",
    [["--claim", "most"], ["--claim", "pair:1"], ["--claim", "order", "--budget", "60"], []],
)
def test_what_is_no_claim_or_budget_is_a_usage_error(say, model, digits, words):
    assert say("certify", model, f"{digits}#3", "--radius", 0.02, *words).code == 2


def test_several_inputs_have_a_folder_each(say, model, digits, tmp_path):
    said = say(
        "certify", model, f"{digits}#0:2", "--radius", 0.01, *QUICK, "--claim", "prediction",
        "--out", tmp_path,
    )  # fmt: skip
    assert said.code == 0, said.err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0", "1", "summary.csv"]
    assert (tmp_path / "1" / "claims.json").exists()


def test_a_claim_about_a_map_has_its_intervals_beside_it(say, model, digits, tmp_path, schema):
    jsonschema = pytest.importorskip("jsonschema")
    said = say(
        "certify", model, f"{digits}#3", "--radius", 0.001, *QUICK, "--top-k", 2,
        "--claim", "map-stability:saliency", "--claim", "map-sign:gradient-times-input",
        "--out", tmp_path,
    )  # fmt: skip
    assert said.code in (0, 3), said.err
    values = json.loads((tmp_path / "claims.json").read_text())
    jsonschema.validate(values, schema)
    first = values["claims"][0]
    assert first["status"] == "estimate"
    assert first["details"]["top_k_kept_at_least"] == 2
    with np.load(tmp_path / "claim-0.npz") as beside:
        # Both hold the score at the input, each with its own rounding: they meet.
        assert (beside["score_lower"] <= beside["center_score_upper"]).all()
        assert (beside["center_score_lower"] <= beside["score_upper"]).all()
        width = beside["score_upper"] - beside["score_lower"]
        assert (width >= 0).all()
        assert width.max() > 0


def test_a_refuted_map_claim_has_an_input_that_replays(say, model, digits, tmp_path):
    said = say(
        "certify", model, f"{digits}#3", "--radius", 0.3, *QUICK, "--top-k", 2, "--budget", "20s",
        "--claim", "map-stability:gradient-times-input", "--out", tmp_path,
    )  # fmt: skip
    assert said.code == 1, said.err
    (claim,) = json.loads((tmp_path / "claims.json").read_text())["claims"]
    assert claim["status"] == "refuted"
    again = say("replay", model, tmp_path / claim["witness"])
    assert again.code == 0, again.err
    assert "decision stands" in again.out


def test_the_largest_radius_of_a_map(say, model, digits, tmp_path):
    said = say(
        "certify", model, f"{digits}#3", "--radius", "max", "--clip", 0, 1, *QUICK,
        "--claim", "map-sign:saliency", "--budget", "60nodes", "--out", tmp_path,
    )  # fmt: skip
    assert said.code == 0, said.err
    (claim,) = json.loads((tmp_path / "claims.json").read_text())["claims"]
    assert 0 < claim["bound"] == claim["details"]["r_estimate"]


def test_the_weights_move_and_the_input_need_not(say, model, digits, tmp_path):
    said = say(
        "certify", model, f"{digits}#3", *QUICK, "--sigma-box", 1e-5, "--top-k", 1,
        "--claim", "weight-stability:saliency", "--out", tmp_path,
    )  # fmt: skip
    assert said.code == 0, said.err
    (claim,) = json.loads((tmp_path / "claims.json").read_text())["claims"]
    assert claim["parameters"]["sigma_box"] == 1e-5
