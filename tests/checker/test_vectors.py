"""Tampered certificates and models, each with the answer it must get."""

import json
from pathlib import Path

import numpy as np
import pytest

from verixplain.checker.reasons import Reason
from verixplain.checker.steps import check

from .hostile import Writer
from .making import draft
from .tampering import tampered

FOLDER = Path(__file__).parent / "vectors"
VECTORS = [
    pytest.param(vector, id=f"{path.stem}: {vector['comment']}")
    for path in sorted(FOLDER.glob("*.json"))
    if path.stem != "operators"
    for vector in json.loads(path.read_text())
]
EXIT = {"ACCEPTED": 0, "REJECTED": 1, "REFUSED": 2}


@pytest.mark.parametrize("vector", VECTORS)
def test_a_tampered_file_gets_its_answer(vector):
    verdict = check(*tampered(vector["edit"]))
    assert (EXIT[verdict.answer], verdict.reason) == (vector["exit"], vector.get("reason")), (
        verdict.report
    )


def test_every_reason_is_met():
    met = {vector.values[0].get("reason") for vector in VECTORS}
    assert set(Reason) - met == {Reason.PRECISION}  # the next test


def test_a_sum_too_long_for_float32_error_bounds_is_refused():
    w = Writer(np.random.default_rng(0), "plain")
    n = 180_000
    model = w.model((1, n), w.node("Gemm", ["x", w.constant(np.ones((1, n)))], transB=1))
    verdict = draft(model, np.zeros(n), 0.0, [[1.0]]).bound().check()
    assert verdict.reason is Reason.PRECISION
    alone = draft(model, np.zeros(n), 0.0, [[1.0]], semantics=("real",)).bound().check()
    assert alone.answer == "ACCEPTED"


def test_a_verdict_is_not_true_or_false():
    with pytest.raises(TypeError, match="compare its answer"):
        bool(check(b"", b""))
