"""SARIF, JUnit and in-toto by their own schemas and readers; counts agree with report.json."""

import hashlib
import json
from collections import Counter
from pathlib import Path

import pytest
from jsonschema import Draft4Validator

from verixplain.report.guarantee.formats import formats

SCHEMA = json.loads((Path(__file__).parent / "sarif-schema-2.1.0.json").read_text())


@pytest.fixture(scope="module")
def values(report):
    return json.loads((report / "report.json").read_bytes())


def written(name, values):
    data = json.dumps(values).encode()
    return formats[name](values, data), data


def statuses(values):
    return Counter(c["status"] for item in values["items"] for c in item["claims"])


def test_sarif_is_what_its_schema_says_and_has_what_is_refuted_or_open(values):
    (name, text), _ = written("sarif", values)
    assert name == "report.sarif"
    log = json.loads(text)
    assert list(Draft4Validator(SCHEMA).iter_errors(log)) == []
    (run,) = log["runs"]
    counts, kinds = statuses(values), Counter(result["kind"] for result in run["results"])
    assert kinds["fail"] == counts["refuted"] > 0
    assert kinds["open"] == counts["unknown"] + counts["timeout"] + counts["error"] > 0
    assert "pass" not in kinds
    assert all(r["level"] == "none" for r in run["results"] if r["kind"] != "fail")
    assert len({r["partialFingerprints"]["verixplainClaim/v1"] for r in run["results"]}) == len(
        run["results"]
    )
    assert not run["invocations"][0]["executionSuccessful"]


def test_in_toto_statements_bind_the_models(values):
    statement = pytest.importorskip("in_toto_attestation.v1.statement")
    json_format = pytest.importorskip("google.protobuf.json_format")
    from in_toto_attestation.predicates.test_result.v0 import test_result_pb2
    from in_toto_attestation.v1 import statement_pb2

    (name, text), data = written("in-toto", values)
    assert name == "report.in-toto.json"
    parsed = json_format.Parse(text, statement_pb2.Statement())
    statement.Statement.copy_from_pb(parsed).validate()
    assert {s.digest["sha256"] for s in parsed.subject} == {m["sha256"] for m in values["models"]}
    predicate = json.loads(text)["predicate"]
    result = json_format.ParseDict(predicate, test_result_pb2.TestResult())
    assert result.result == "FAILED"
    assert result.configuration[0].digest["sha256"] == hashlib.sha256(data).hexdigest()
    assert len(predicate["passedTests"]) == sum(
        statuses(values)[status] for status in ("estimate", "certified")
    )


def test_junit_has_a_case_a_claim(values):
    junitparser = pytest.importorskip("junitparser")
    (name, text), _ = written("junit", values)
    assert name == "report.junit.xml"
    suites = junitparser.JUnitXml.fromstring(text)
    cases = [case for suite in suites for case in suite]
    counts = statuses(values)
    found = Counter(type(case.result[0]).__name__ for case in cases if case.result)
    without = [item for item in values["items"] if not item["claims"]]
    errors = sum(item["outcome"] == "error" for item in without)
    assert len(cases) == sum(counts.values()) + len(without)
    assert found["Failure"] == counts["refuted"] > 0
    assert found["Error"] == counts["error"] + errors
    reason = next(case.result[0].message for case in cases if case.result)
    assert reason


@pytest.mark.parametrize("name", list(formats))
def test_where_only_proofs_count_an_estimate_is_open(name, values):
    counts = statuses(values)
    strict = {**values, "require": "certified"}
    (_, text), _ = written(name, strict)
    words = text.decode()
    if name == "sarif":
        assert words.count('"kind": "open"') == (
            counts["unknown"] + counts["timeout"] + counts["error"] + counts["estimate"]
        )
    elif name == "junit":
        assert words.count('type="estimate"') == counts["estimate"]
    else:
        assert len(json.loads(words)["predicate"]["passedTests"]) == counts["certified"]


def test_without_models_the_statement_is_about_the_report(values):
    (_, text), _ = written("in-toto", {**values, "models": []})
    (subject,) = json.loads(text)["subject"]
    assert subject["name"] == "report.json"
