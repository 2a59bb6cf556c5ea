"""Only what the checker accepted is certified, and what is certified is true."""

import json
from dataclasses import replace

import numpy as np
import pytest
from onnx import helper

import verixplain.certificate.issue as issuing
from tests import networks
from tests.report.examples import digit
from verixplain import models
from verixplain.attribution.eva import EVA
from verixplain.certificate import checking
from verixplain.certificate.issue import issue
from verixplain.certify.claim import Finding, Ranks, Stands
from verixplain.certify.run import Certified, Outcome, certify
from verixplain.checker.steps import check
from verixplain.explanation import Order
from verixplain.features import Groups
from verixplain.network import load
from verixplain.query import Box, Query, Target

CENTER = np.array([0.5, -0.25, 0.125, 1.0])
CLAIMS = ("prediction", "order", "top-k:1")


def query(model=None, radius=0.05, smallest=False, target=None) -> Query:
    network = load(model or networks.mlp(seed=3))
    scores = network(CENTER[None])[0]
    label = int(scores.argmin() if smallest else scores.argmax())
    box = Box.around(CENTER, radius)
    return Query(network, box, target or Target.label(label, smallest), Groups.columns((4,)))


def quick(asked: Query) -> Certified:
    return certify(asked, CLAIMS, EVA(steps=5, restarts=1), budget="20nodes")


def claim(rests_on, status="estimate") -> Outcome:
    return Outcome("made up", {}, Finding(status, "", rests_on=rests_on), "settled", 0.0, 0)


def points(asked: Query, count: int = 2000) -> np.ndarray:
    share = np.random.default_rng(0).random((count, 4)).round(1)
    box = asked.box
    return (box.lower + share * (box.upper - box.lower)).astype(np.float32)


def overlap(asked: Query, inputs: np.ndarray) -> np.ndarray:
    matrix, offsets = asked.target.matrix(asked.network.outputs)
    return (asked.network(inputs) @ matrix.T + offsets).max(axis=1)


@pytest.mark.parametrize("smallest", [False, True])
def test_what_holds_becomes_certified_and_no_point_contradicts_it(smallest):
    asked = query(smallest=smallest)
    found = issue(quick(asked))
    prediction, order, top = (one.finding for one in found.claims)
    assert (prediction.status, prediction.semantics) == ("certified", "real+float32")
    verdict = check(asked.network.data, prediction.certificate)
    assert verdict.answer == "ACCEPTED"
    how = "smallest" if smallest else "largest"
    assert f"strictly {how} score" in " ".join(verdict.report["conclusions"]["float32"])
    assert overlap(asked, points(asked)).max() <= prediction.details["certified_bounds"]["float32"]
    assert prediction.bound == prediction.details["certified_bounds"]["real"]
    counts = found.explanation.order.to_dict()
    assert counts["certified"] == order.details["certified_pairs"] > 0
    assert order.details["order"] == counts
    assert (found.explanation.order.above | ~found.explanation.order.checked).all()
    assert top.status in ("certified", "estimate", "unknown")
    assert (found.explanation.top_k.status == "certified") == (
        check(asked.network.data, top.certificate).answer == "ACCEPTED"
        if top.certificate
        else False
    )


def test_bounds_of_the_producer_that_are_too_good_certify_nothing():
    asked = query(radius=3.0)
    found = quick(asked)
    overlaps = found.explanation.overlaps
    assert overlaps.lower > 0
    pairs = np.argwhere(~np.eye(4, dtype=bool))
    lies = replace(
        found.explanation,
        overlaps=replace(overlaps, group_upper=overlaps.group_lower - 100.0, upper=-100.0),
        order=Order(np.zeros((4, 4), dtype=bool)),
    )
    claims = [claim(Stands(np.array([], int))), claim(Ranks(pairs)), claim(Ranks(pairs[:3], (0,)))]
    said = issue(replace(found, explanation=lies, claims=tuple(claims)))
    assert [one.finding.status for one in said.claims] == ["estimate"] * 3
    for one in said.claims:
        held = one.finding.certificate
        assert held is None or check(asked.network.data, held).answer == "ACCEPTED"
    sets = [np.delete(np.arange(4), u) for u in range(4)]
    worst = [overlap(asked, _only(asked, free)).max() for free in sets]
    for u, v in np.argwhere(said.explanation.order.checked):
        assert not worst[u] >= overlaps.group_upper[v]


def _only(asked: Query, free: np.ndarray) -> np.ndarray:
    moved = np.tile(CENTER.astype(np.float32), (2000, 1))
    moved[:, free] = points(asked)[:, free]
    return moved


def test_a_sufficient_set_is_certified_for_its_inputs():
    asked = query(radius=0.8)
    found = quick(asked)
    every = issue(replace(found, claims=(claim(Stands(np.arange(4))), claim(Stands(np.arange(0))))))
    assert [one.finding.status for one in every.claims] == ["certified", "estimate"]
    (said,) = [
        words
        for words in check(asked.network.data, every.claims[0].finding.certificate).report[
            "conclusions"
        ]["real"]
        if "sufficient" in words
    ]
    assert "inputs of group 0 are sufficient" in said


def test_every_kind_of_claim_that_the_checker_knows_can_be_shown():
    from verixplain.certificate.reading import _KINDS
    from verixplain.checker.claims import KINDS

    assert set(_KINDS) == set(KINDS)


def test_pairs_of_the_exchange_rule_are_certified_for_the_reals_alone(monkeypatch):
    monkeypatch.setattr(issuing, "WAYS", issuing.WAYS[:2])  # bounds and exchanges
    found = digits(["order"])
    order = issue(found).claims[0].finding
    report = check(found.explanation.query.network.data, order.certificate).report
    assert "exchange" in [claim["kind"] for claim in report["claims"]]
    assert order.semantics == "real"
    assert report["semantics"] == {"real": "ACCEPTED"}


def test_rows_with_thresholds_are_certified_as_bounds():
    asked = query(target=Target.rows(np.array([[1.0, 0.0, 0.0]]), np.array([-50.0])))
    finding = issue(quick(asked)).claims[0].finding
    assert finding.status == "certified"
    kinds = [one["kind"] for one in check(asked.network.data, finding.certificate).report["claims"]]
    assert kinds == ["bound"]


def test_an_operator_that_the_checker_does_not_know_leaves_an_estimate_and_says_so():
    found = issue(quick(query(networks.mlp(activation="Softplus", seed=3))))
    assert found.claims[0].finding.status == "estimate"
    assert found.claims[0].finding.certificate is None
    assert "Softplus is not supported" in found.explanation.notes[-1]


def test_a_last_sigmoid_that_the_claim_is_about_is_not_left_out_in_silence():
    model = networks.mlp(seed=3)
    model.graph.node.append(helper.make_node("Sigmoid", ["y"], ["share"]))
    model.graph.output[0].name = "share"
    found = issue(quick(query(model)))
    assert found.claims[0].finding.status == "estimate"
    assert "leaves out the last Sigmoid" in found.explanation.notes[-1]


@pytest.mark.parametrize(
    ("program", "words"),
    [("import time; time.sleep(60)", "within 1 s"), ("raise SystemExit(9)", "exit code 9")],
)
def test_a_checker_that_does_not_answer_certifies_nothing(monkeypatch, program, words):
    import sys

    found = quick(query())
    monkeypatch.setattr(checking, "COMMAND", (sys.executable, "-c", program))
    said = issue(found, seconds=1)
    assert [one.finding.status for one in said.claims] == [
        one.finding.status for one in found.claims
    ]
    assert words in said.explanation.notes[-1]


def test_an_answer_that_is_not_acceptance_certifies_nothing(monkeypatch):
    """A checker that finds numbers in drafts and then rejects what they say."""
    found, seen = quick(query()), []

    def doubtful(model, certificates, seconds):
        seen.append(certificates)
        reports = checking.check_bytes(model, certificates, seconds)
        return [{**one, "verdict": "REJECTED"} for one in reports]

    monkeypatch.setattr(issuing, "check_bytes", doubtful)
    said = issue(found)
    assert len(seen) >= 2
    assert not any(one.finding.certificate for one in said.claims)
    assert said.explanation.order.certified == 0


def digits(claims: list[str], **options) -> Certified:
    """Claims about an image of a digit, in 16 patches."""
    network, image = load(models.find("digits_mlp")), digit(3)
    groups = Groups.grid(image.shape, 4, 4)
    asked = Query(network, Box.around(image, 0.015), Target.label(3), groups)
    return certify(asked, claims, EVA(steps=5, restarts=1), budget="40nodes", options=options)


def test_faces_certify_what_bounds_and_exchanges_do_not(monkeypatch):
    found, certified, ways = digits(["order"]), [], issuing.WAYS
    for count in (2, 3):
        monkeypatch.setattr(issuing, "WAYS", ways[:count])
        order = issue(found).claims[0].finding
        certified.append(order.details["certified_pairs"])
    assert json.loads(_manifest(order.certificate))["recipe"]["faces"] == 4
    assert certified[1] > certified[0] > 0


@pytest.mark.parametrize(("radius", "count"), [(0.15, 1), (0.2, 3)])
def test_leaves_of_branch_and_bound_certify_what_one_pass_does_not(radius, count):
    asked = query(networks.mlp((4, 8, 8, 3), seed=8), radius=radius)
    found = certify(asked, ["prediction"], EVA(steps=10, restarts=1), budget="100nodes")
    assert found.tree is not None
    assert len(found.tree.leaves) == count
    finding = issue(found).claims[0].finding
    assert finding.status == "certified"
    assert json.loads(_manifest(finding.certificate))["recipe"]["tree"] is not None
    assert finding.semantics == "real+float32"
    bounds = finding.details["certified_bounds"]
    assert overlap(asked, points(asked)).max() <= min(bounds.values()) < 0


def _manifest(certificate: bytes) -> str:
    size = int.from_bytes(certificate[:8], "little")
    return json.loads(certificate[8 : 8 + size])["__metadata__"]["vxcert"]


def test_a_stable_order_is_certified_for_every_input_within_its_shift():
    found = issue(digits(["stability:pair:5,0"], shift="0.0001"))
    (stable,) = (one.finding for one in found.claims)
    assert stable.status == "certified", stable.statement
    report = check(found.explanation.query.network.data, stable.certificate).report
    assert "at every input of the range within 0.0001" in report["conclusions"]["real"][-1]
