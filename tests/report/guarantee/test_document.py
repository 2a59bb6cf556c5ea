"""report.json: its schema, its canonical form, its counts, and the command that makes it again."""

import json
import shlex
from collections import Counter

import pytest

from tests.report.guarantee.conftest import DATA, MODEL
from verixplain import cli
from verixplain.jobs.summary import rows, summary
from verixplain.report.guarantee.coverage import coverage, share
from verixplain.report.guarantee.document import canonical, document, validate
from verixplain.report.guarantee.evidence import gather
from verixplain.report.guarantee.words import percent, visible


def read(folder):
    return json.loads((folder / "report.json").read_text("utf-8"))


def test_it_is_what_its_schema_says_in_canonical_form(report):
    values = read(report)
    assert validate(values) is None
    assert canonical(values) == (report / "report.json").read_bytes()
    assert validate({**values, "extra": 1}) is not None
    values["items"][0]["claims"][0]["status"] = "proved"
    assert "proved" in validate(values)


def test_counts_are_those_of_the_ledger(report, whole_run):
    values, counted = read(report), summary(rows(whole_run))
    assert values["summary"]["outcomes"] == counted["outcomes"]
    assert values["summary"]["claims"] == counted["claims"]
    statuses = Counter(c["status"] for i in values["items"] for c in i["claims"])
    assert statuses["certified"] + statuses["estimate"] > 0
    for status in ("refuted", "timeout", "error", "not-run"):
        assert statuses[status] == sum(kind[status] for kind in counted["claims"].values()) > 0


def test_every_planned_claim_is_in_a_denominator(report):
    values = read(report)
    assert sum(row["planned"] for row in values["coverage"]) == sum(
        len(item["claims"]) for item in values["items"]
    )
    for row in values["coverage"]:
        assert sum(row["statuses"].values()) == row["planned"]


@pytest.mark.parametrize("n", [1, 5, 30])
def test_intervals_are_clopper_and_pearsons(n):
    assert share(n, n)["lower"] == pytest.approx(0.025 ** (1 / n), rel=1e-9)
    assert share(n, n)["upper"] == 1.0
    assert share(0, n)["upper"] == pytest.approx(1 - 0.025 ** (1 / n), rel=1e-9)
    assert share(0, n)["lower"] == 0.0


def test_intervals_are_shown_rounded_outward():
    assert percent({"share": 0.5, "lower": 0.12399, "upper": 0.87601}) == "50.0 % [12.3 %, 87.7 %]"


def test_misclassified_and_failed_inputs_are_not_left_out():
    claim = {"kind": "prediction", "status": "estimate"}
    failed = {"kind": "prediction", "status": "not-run"}
    item = {"model": "m", "question": "q", "method": "eva", "explanation": None}
    (row,) = coverage([{**item, "claims": [claim]}, {**item, "claims": [failed]}])
    assert (row["planned"], row["holds"]["share"], row["certified"]["share"]) == (2, 0.5, 0.0)


def test_the_command_that_is_given_does_the_same_again(certified, network, tmp_path, monkeypatch):
    evidence = gather(certified, tmp_path / "copy")
    (command,) = document(evidence, checked=False)["reproduction"]["commands"]
    monkeypatch.chdir(network.parent)
    words = shlex.split(command)
    assert words[0] == "verixplain"
    assert words[-2:] == ["--out", "DIR"]
    assert cli.execute([*words[1:-1], str(tmp_path / "again")]) == 1
    before, after = (
        json.loads((folder / "claims.json").read_text())
        for folder in (certified, tmp_path / "again")
    )
    for values in (before, after):
        for claim in values["claims"]:
            del claim["spent"]
    assert after == before


def test_the_same_evidence_gives_the_same_bytes(certified, tmp_path):
    from datetime import UTC, datetime

    now = datetime(2026, 1, 2, tzinfo=UTC)
    one, two = (
        canonical(document(gather(certified, tmp_path / name), checked=False, created=now))
        for name in ("one", "two")
    )
    assert one == two


def test_what_cannot_be_seen_stands_as_a_code():
    assert visible("a\u202eb\u200b\n") == "a⟨U+202E⟩b⟨U+200B⟩⟨U+000A⟩"


def test_names_are_kept_as_they_are_in_the_json(report):
    item = read(report)["items"][0]
    assert (item["model"], item["data"]) == (MODEL, DATA)
