import json

import pytest

from tests.cli.conftest import QUICK


@pytest.fixture(scope="module")
def certificate(model, digits, tmp_path_factory):
    from verixplain import cli

    out = tmp_path_factory.mktemp("certified")
    words = ["certify", model, f"{digits}#3", "--radius", 0.02, *QUICK, "--claim", "prediction"]
    assert (
        cli.execute([str(word) for word in [*words, "--out", out, "--require", "certified"]]) == 0
    )
    return out / "claim-0.vxcert"


def test_an_accepted_certificate_says_what_is_proved_and_what_is_not_covered(
    say, model, certificate
):
    said = say("check", model, certificate)
    assert said.code == 0
    assert "ACCEPTED" in said.out
    assert "not covered" in said.out
    one = say("check", model, certificate, "--semantics", "float32", "--json")
    assert json.loads(one.out)["semantics"] == {"float32": "ACCEPTED"}


def test_a_changed_number_is_rejected_and_another_model_refused(
    say, model, digits, certificate, tmp_path
):
    import numpy as np

    from verixplain.certificate.encode import encode
    from verixplain.certificate.reading import read

    manifest, arrays = read(certificate)
    (name,) = (claim["upper"]["real"] for claim in manifest["claims"] if "upper" in claim)
    lowered = {**arrays, name: np.asarray(arrays[name]) - 1.0}
    changed = tmp_path / "changed.vxcert"
    changed.write_bytes(encode(manifest, lowered))
    said = say("check", model, changed)
    assert said.code == 1
    assert "not proved" in said.out
    other = say("check", model.parent / "digits_cnn.onnx", changed, certificate)
    assert other.code == 2
    assert "other-model" in other.out


def test_what_is_no_certificate_is_refused_by_check_and_an_error_to_show(say, model, digits):
    assert say("check", model, digits).code == 2
    assert "CertificateError" in say("show", digits).err
    assert say("show", "nowhere.vxcert").code == 4


def test_show_says_what_is_claimed_and_that_this_proves_nothing(say, certificate):
    said = say("show", certificate)
    assert said.code == 0
    for words in ("class 3 wins alone", "64 of 64 inputs move", "only the checker can say"):
        assert words in said.out
