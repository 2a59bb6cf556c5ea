"""A finished report notices every changed file, and asks the checker again."""

import json
import shutil

import pytest

from verixplain import cli
from verixplain.errors import InputError, OutputError, ReportError
from verixplain.report.guarantee.audit import audit
from verixplain.report.guarantee.document import canonical
from verixplain.report.guarantee.write import write_report


@pytest.fixture(scope="module")
def whole(tmp_path_factory, certified, network):
    folder = tmp_path_factory.mktemp("audit") / "report"
    write_report(certified, folder, check=True, models=[network])
    return folder


@pytest.fixture
def copy(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "report")


def spoil(path, place=-1):
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(bytes(data))


def test_an_untouched_report_holds_and_its_certificates_are_accepted(whole, network):
    answers = audit(whole, [network])
    assert len(answers) >= 3
    assert {answer.verdict for answer in answers} == {"ACCEPTED"}
    assert {answer.verdict for answer in audit(whole)} == {""}


def test_a_changed_byte_in_any_file_is_noticed(copy, network):
    report = json.loads((copy / "report.json").read_bytes())
    listed = {f"evidence/{file['path']}" for file in report["files"]}
    listed |= {page["path"] for page in report["pages"]}
    there = {str(p.relative_to(copy)) for p in copy.rglob("*") if p.is_file()}
    assert there == listed | {"report.json"}
    for name in sorted(listed):
        spoil(copy / name)
        with pytest.raises(ReportError, match=r"were changed"):
            audit(copy, [network])
        spoil(copy / name)
    audit(copy, [network])


def test_report_json_itself_is_in_canonical_form_or_signed(copy):
    path = copy / "report.json"
    report = json.loads(path.read_bytes())
    path.write_text(json.dumps(report))
    with pytest.raises(ReportError, match="canonical"):
        audit(copy)
    path.write_bytes(canonical({**report, "exit_code": 7}))
    with pytest.raises(ReportError, match="schema"):
        audit(copy)
    path.write_bytes(b"{")
    with pytest.raises(ReportError, match="not JSON"):
        audit(copy)


def test_a_forged_certificate_with_a_fitting_hash_is_not_accepted(copy, network):
    from verixplain.report.guarantee.evidence import hashed

    path = copy / "evidence" / "claim-2.vxcert"
    spoil(path)
    report = json.loads((copy / "report.json").read_bytes())
    for file in report["files"]:
        if file["path"] == path.name:
            file.update(hashed(path.read_bytes()))
    (copy / "report.json").write_bytes(canonical(report))
    with pytest.raises(ReportError, match="shown as certified, and not so"):
        audit(copy, [network])


def test_an_input_that_changed_since_the_report_is_noticed_by_check(made, tmp_path, network):
    out = tmp_path / "report"
    write_report(made, out, check=True, models=[network])
    before = (out / "report.json").read_bytes()
    for path in sorted(made.iterdir()):
        if path.suffix == ".json":
            continue  # a changed byte there is refused before, as JSON or by its schema
        for place in (len(path.read_bytes()) // 2, -20):
            spoil(path, place)
            with pytest.raises(ReportError):
                write_report(made, out, check=True, models=[network])
            spoil(path, place)
    text = (made / "claims.json").read_text()
    (made / "claims.json").write_text(text.replace("pairs of groups", "pairs of Groups", 1))
    with pytest.raises(ReportError, match=r"claims\.json: not the bytes"):
        write_report(made, out, check=True, models=[network])
    assert (out / "report.json").read_bytes() == before
    assert [p.name for p in tmp_path.glob(".*")] == []


def test_a_new_report_says_which_one_it_supersedes(made, tmp_path):
    from verixplain.report.guarantee.document import sha256

    out = tmp_path / "report"
    assert write_report(made, out)["supersedes"] is None
    first = sha256((out / "report.json").read_bytes())
    assert write_report(made, out)["supersedes"] == first
    named = write_report(made, tmp_path / "other", supersedes=out / "report.json")
    assert named["supersedes"] == sha256((out / "report.json").read_bytes())


def test_a_signed_report_is_never_replaced(made, tmp_path):
    out = tmp_path / "report"
    write_report(made, out)
    (out / "report.json.sig").write_bytes(b"signature")
    with pytest.raises(ReportError, match="signed"):
        write_report(made, out)


def test_a_folder_of_something_else_is_left_alone(made, tmp_path):
    out = tmp_path / "mine"
    out.mkdir()
    (out / "thesis.txt").write_text("all of it")
    with pytest.raises(OutputError, match="no report"):
        write_report(made, out)
    assert (out / "thesis.txt").read_text() == "all of it"


def test_nothing_is_left_behind_where_there_is_nothing_to_report(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError):
        write_report(tmp_path / "empty", tmp_path / "report")
    assert [p.name for p in tmp_path.iterdir()] == ["empty"]


class TestCommand:
    """Exit codes, and what is said."""

    def run(self, capsys, *words):
        code = cli.execute([str(word) for word in words])
        said = capsys.readouterr()
        return code, said.out + said.err

    def test_a_report_and_its_check(self, capsys, certified, network, tmp_path):
        out = tmp_path / "report"
        code, said = self.run(
            capsys, "report", certified, "--out", out, "--check", "--model", network,
            "--sarif", "--junit", "--in-toto",
        )  # fmt: skip
        assert code == 1  # pair:0,1 is refuted
        assert "4 certified" in said
        for name in ("report.sarif", "report.junit.xml", "report.in-toto.json", "index.html"):
            assert (out / name).is_file()
        assert self.run(capsys, "report", out, "--check", "--model", network)[0] == 0
        code, said = self.run(capsys, "report", out, "--check")
        assert code == 3
        assert "give --model" in said
        spoil(out / "index.html")
        code, said = self.run(capsys, "report", out, "--check")
        assert code == 4
        assert "index.html" in said

    def test_usage(self, capsys, certified, whole, tmp_path):
        assert self.run(capsys, "report", certified)[0] == 2
        assert self.run(capsys, "report", whole)[0] == 2
        assert self.run(capsys, "report", tmp_path, "--out", tmp_path / "x")[0] == 2
        code, said = self.run(capsys, "report", certified, "--out", tmp_path / "x", "--check",
                              "--model", tmp_path / "no.onnx")  # fmt: skip
        assert code == 4
        assert "no.onnx" in said

    def test_signing(self, capsys, copy, tmp_path):
        key = tmp_path / "key"
        assert self.run(capsys, "keygen", key)[0] == 0
        assert self.run(capsys, "sign", copy / "report.json", "--key", key)[0] == 0
        words = ("verify-signature", copy / "report.json", "--key", f"{key}.pub")
        assert self.run(capsys, *words)[0] == 0
        spoil(copy / "report.json")
        code, said = self.run(capsys, *words)
        assert code == 1
        assert "NOT" in said
