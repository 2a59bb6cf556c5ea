"""What a report rests on is copied, hashed and held against itself."""

import hashlib
import json
import shutil

import numpy as np
import pytest

from verixplain import cli, models
from verixplain.errors import InputError, OutputError, ReportError
from verixplain.report.guarantee.evidence import changed, gather


def test_every_file_of_a_certified_input_is_copied_and_hashed(certified, tmp_path):
    found = gather(certified, tmp_path)
    names = {path.name for path in certified.iterdir()}
    assert {file["path"] for file in found.files} == names
    for file in found.files:
        data = (tmp_path / file["path"]).read_bytes()
        assert data == (certified / file["path"]).read_bytes()
        assert file["sha256"] == hashlib.sha256(data).hexdigest()
    (item,) = found.items
    assert [claim["status"] for claim in item["claims"]].count("certified") >= 1


def test_a_run_is_its_ledger_with_every_item_that_was_planned(whole_run, tmp_path):
    found = gather(whole_run, tmp_path)
    assert found.kind == "run"
    assert {item["outcome"] for item in found.items} == {"done", "timeout", "error", "not-run"}
    assert {claim["status"] for item in found.items for claim in item["claims"]} >= {
        "refuted", "timeout", "error", "not-run"
    }  # fmt: skip
    refuted = [c for i in found.items for c in i["claims"] if c["status"] == "refuted"]
    assert refuted[0]["witness"] == "explanation.npz"
    assert refuted[0]["statement"].endswith("every other class, at every input of the box")
    rows = json.loads((tmp_path / "ledger.json").read_text())["rows"]
    assert len(rows) == len(found.items)


def test_several_inputs_and_one_that_failed(tmp_path):
    with np.load(models.folder() / "digits_inputs.npz") as archive:
        inputs = archive["inputs"][:2].copy()
    inputs[1, 0, 0, 0] = np.nan
    np.save(tmp_path / "two.npy", inputs)
    words = ["explain", models.find("digits_mlp"), tmp_path / "two.npy", "--method", "saliency"]
    words += ["--radius", "0.01", "--out", tmp_path / "made"]
    assert cli.execute([str(word) for word in words]) == 4
    found = gather(tmp_path / "made", tmp_path / "copy")
    assert [item["outcome"] for item in found.items] == ["done", "error"]
    assert "finite" in found.items[1]["reason"]
    assert found.items[1]["model"] == "digits_mlp"


def test_a_folder_that_is_neither_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no explanation\.json"):
        gather(tmp_path, tmp_path / "copy")


def edit(path, change):
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


@pytest.mark.parametrize("name", ["../claim-2.vxcert", "/etc/passwd", "..", "a\\b"])
def test_a_certificate_lies_beside_its_claims_and_nowhere_else(made, tmp_path, name):
    edit(made / "claims.json", lambda v: v["claims"][2].update(certificate=name))
    with pytest.raises(ReportError, match="no name of a file"):
        gather(made, tmp_path / "copy")


@pytest.mark.parametrize("part", ["model", "input", "box", "target"])
def test_claims_about_something_else_than_the_map_are_refused(made, tmp_path, part):
    def change(values):
        inner = {"model": "name", "input": "dtype", "box": "free_inputs", "target": "label"}[part]
        values[part][inner] = "other" if part in ("model", "input") else 1

    edit(made / "claims.json", change)
    with pytest.raises(ReportError, match=f"another {part}"):
        gather(made, tmp_path / "copy")


@pytest.mark.parametrize("name", ["input", "box_lower", "box_upper"])
def test_arrays_of_another_question_are_refused(made, tmp_path, name):
    with np.load(made / "explanation.npz") as archive:
        arrays = dict(archive)
    arrays[name] = arrays[name] + 1
    np.savez(made / "explanation.npz", **arrays)
    with pytest.raises(ReportError, match=name):
        gather(made, tmp_path / "copy")


def test_json_that_its_schema_refuses_is_refused(made, tmp_path):
    edit(made / "claims.json", lambda v: v["claims"][0].update(status="proved"))
    with pytest.raises(ReportError, match=r"claims-1\.json"):
        gather(made, tmp_path / "copy")
    (made / "claims.json").write_text("{")
    shutil.rmtree(tmp_path / "copy")
    with pytest.raises(ReportError, match="not JSON"):
        gather(made, tmp_path / "copy")


def test_a_missing_file_is_named(made, tmp_path):
    (made / "heatmap.png").unlink()
    with pytest.raises(OutputError, match=r"heatmap\.png"):
        gather(made, tmp_path / "copy")


def test_every_changed_byte_is_noticed(certified, tmp_path):
    found = gather(certified, tmp_path)
    assert changed(tmp_path, found.files) == []
    for file in found.files:
        path = tmp_path / file["path"]
        good = path.read_bytes()
        for place in (0, len(good) // 2, len(good) - 1):
            path.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
            assert changed(tmp_path, found.files) == [
                f"{file['path']}: not the bytes of the report"
            ]
        path.unlink()
        assert changed(tmp_path, found.files) == [f"{file['path']}: No such file or directory"]
        path.write_bytes(good)
