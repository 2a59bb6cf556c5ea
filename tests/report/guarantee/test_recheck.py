"""Nothing is called certified that the checker does not accept for this input and box."""

import json
import shutil

import pytest

from verixplain import cli, models
from verixplain.report.guarantee.evidence import gather
from verixplain.report.guarantee.recheck import recheck, without_certificate

PREDICTION, TOP_K = 2, 1


def claims(folder, copy, network=None):
    evidence = gather(folder, copy)
    without_certificate(evidence)
    if network is not None:
        recheck(evidence, [network])
    return evidence.items[0]["claims"]


def test_what_the_checker_accepts_stays_certified_with_its_words(made, tmp_path, network):
    before = [claim["status"] for claim in claims(made, tmp_path / "one")]
    after = claims(made, tmp_path / "two", network)
    assert [claim["status"] for claim in after] == before
    answer = after[PREDICTION]["check"]
    assert answer["verdict"] == "ACCEPTED"
    assert "class 8 has the strictly largest score" in answer["conclusions"]["float32"][-1]


def test_a_certificate_with_a_changed_byte_certifies_nothing(made, tmp_path, network):
    path = made / "claim-2.vxcert"
    good = path.read_bytes()
    path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    found = claims(made, tmp_path / "copy", network)[PREDICTION]
    assert found["status"] == "error"
    assert found["recorded"] == "certified"
    assert "the checker says REJECTED" in found["reason"] or "REFUSED" in found["reason"]


def test_a_certificate_of_another_claim_certifies_nothing(made, tmp_path, network):
    shutil.copy(made / "claim-2.vxcert", made / "claim-1.vxcert")
    found = claims(made, tmp_path / "copy", network)[TOP_K]
    assert found["status"] == "error"
    assert "something else" in found["reason"]


def test_bounds_about_groups_certify_no_decision(made, tmp_path, network):
    shutil.copy(made / "claim-0.vxcert", made / "claim-2.vxcert")
    found = claims(made, tmp_path / "copy", network)[PREDICTION]
    assert found["status"] == "error"
    assert "something else" in found["reason"]


def test_a_certificate_of_one_input_says_nothing_of_those_nearby(made, tmp_path, network):
    values = json.loads((made / "claims.json").read_text())
    stable = {
        "kind": "stability",
        "parameters": {"of": "top-k:3", "shift": "0.001"},
        "bound": 0.001,
    }
    values["claims"][TOP_K] |= stable
    (made / "claims.json").write_text(json.dumps(values))
    found = claims(made, tmp_path / "copy", network)[TOP_K]
    assert found["status"] == "error"
    assert "something else" in found["reason"]


def test_a_certificate_of_another_box_certifies_nothing(made, tmp_path, network):
    other = tmp_path / "other"
    words = ["certify", network, f"{models.folder() / 'digits_inputs.npz'}#8", "--radius", "0.001"]
    words += ["--claim", "prediction", "--out", other]
    assert cli.execute([str(word) for word in words]) == 0
    shutil.copy(other / "claim-0.vxcert", made / "claim-2.vxcert")
    found = claims(made, tmp_path / "copy", network)[PREDICTION]
    assert found["check"]["verdict"] == "ACCEPTED"
    assert found["status"] == "error"
    assert "another input or box" in found["reason"]


def test_a_certificate_of_inputs_nearby_says_how_near(tmp_path, network):
    made = tmp_path / "made"
    words = ["certify", network, f"{models.folder() / 'digits_inputs.npz'}#8", "--radius", "0.01"]
    words += ["--groups", "grid:4x4", "--claim", "stability:top-k:1", "--shift", "0.0005"]
    assert cli.execute([str(word) for word in (*words, "--out", made)]) == 0
    (found,) = claims(made, tmp_path / "one", network)
    assert found["status"] == "certified"
    values = json.loads((made / "claims.json").read_text())
    values["claims"][0]["bound"] = 0.0006
    (made / "claims.json").write_text(json.dumps(values))
    (found,) = claims(made, tmp_path / "two", network)
    assert found["status"] == "error"
    assert "something else" in found["reason"]


def test_a_map_that_is_narrower_than_its_certificate_is_not_certified(tmp_path, network):
    made = tmp_path / "made"
    words = ["certify", network, f"{models.folder() / 'digits_inputs.npz'}#8", "--radius", "0.01"]
    words += ["--groups", "grid:2x2", "--claim", "enclosure", "--out", made]
    assert cli.execute([str(word) for word in words]) == 0
    for changed in (False, True):
        if changed:
            values = json.loads((made / "explanation.json").read_text())
            values["groups"][1]["overlap"]["upper"] -= 1e-6
            (made / "explanation.json").write_text(json.dumps(values))
        evidence = gather(made, tmp_path / f"copy-{changed}")
        without_certificate(evidence)
        recheck(evidence, [network])
        (item,) = evidence.items
        assert item["claims"][0]["status"] == ("error" if changed else "certified")
        assert item["explanation"]["guarantee"] == ("estimate" if changed else "certified")


def test_without_the_model_a_claim_is_an_estimate(made, tmp_path):
    found = claims(made, tmp_path / "copy", models.find("digits_mlp"))[PREDICTION]
    assert found["status"] == "estimate"
    assert "no model has the SHA-256" in found["reason"]


@pytest.mark.parametrize("how", ["missing", "unnamed"])
def test_without_its_certificate_nothing_is_certified(made, tmp_path, how):
    if how == "missing":
        (made / "claim-2.vxcert").unlink()
    else:
        values = json.loads((made / "claims.json").read_text())
        values["claims"][PREDICTION]["certificate"] = None
        (made / "claims.json").write_text(json.dumps(values))
    found = claims(made, tmp_path / "copy")[PREDICTION]
    assert found["status"] == "error"
    assert "certificate" in found["reason"]


def test_the_certificates_of_a_run_are_checked_with_the_models_it_names(whole_run, tmp_path):
    evidence = gather(whole_run, tmp_path)
    without_certificate(evidence)
    recheck(evidence)
    found = [claim for item in evidence.items for claim in item["claims"] if claim["certificate"]]
    assert found
    assert {claim["check"]["verdict"] for claim in found} == {"ACCEPTED"}
    assert "certified" in {claim["status"] for claim in found}
    assert all(claim["status"] == claim["recorded"] for claim in found)
