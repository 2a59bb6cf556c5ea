"""Fuzzed certificates and models: no crash, and nothing accepted that says more than the truth.

VERIXPLAIN_FUZZ=20000 asks for that many files; the default fits a test run.
"""

import hashlib
import os
from dataclasses import replace

import numpy as np
import pytest

from verixplain.checker.container import read_certificate
from verixplain.checker.steps import check

from .tampering import base

COUNT = int(os.environ.get("VERIXPLAIN_FUZZ", "1500"))
INTERESTING = (0, 1, 0x7F, 0x80, 0xFF, ord('"'), ord("{"), ord("["), ord("-"), ord("9"))


def fuzzed(rng: np.random.Generator, data: bytes) -> bytes:
    """A few changes: bytes set, bits flipped, pieces cut, doubled or moved."""
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(0, len(changed)))
        way = rng.random()
        if way < 0.4:
            changed[at] ^= 1 << int(rng.integers(0, 8))
        elif way < 0.7:
            changed[at] = int(rng.choice(INTERESTING))
        elif way < 0.8:
            del changed[at : at + int(rng.integers(1, 9))]
        elif way < 0.9:
            changed[at:at] = changed[at : at + int(rng.integers(1, 9))]
        else:
            other = int(rng.integers(0, len(changed)))
            changed[at : at + 4] = changed[other : other + 4]
        if not changed:
            break
    return bytes(changed)


@pytest.fixture(scope="module")
def made():
    return base()


def test_a_fuzzed_certificate_is_answered_and_never_accepted_while_false(made):
    data, answers = made.bytes(), set()
    honest = made.check().report["claims"]
    for number in range(COUNT):
        changed = fuzzed(np.random.default_rng([11, number]), data)
        verdict = check(made.model, changed)
        answers.add(verdict.answer)
        if verdict.answer == "ACCEPTED" and changed != data:
            _is_no_stronger(changed, verdict, honest)
    assert {"ACCEPTED", "REJECTED", "REFUSED"} == answers


def _is_no_stronger(changed: bytes, verdict, honest) -> None:
    """Accepted after a change: then every number claimed is weaker than one derived by itself."""
    manifest, tensors = read_certificate(changed)
    for entry, found in zip(manifest["claims"], verdict.report["claims"], strict=True):
        for key, sign in (("upper", 1.0), ("lower", -1.0)):
            for semantics, name in entry.get(key, {}).items():
                claimed = tensors.take(name, "F64", (None,))
                proved = np.array(found["proved"][semantics])
                assert (sign * (claimed - proved) >= 0).all()
    labels = [entry["label"] for entry in manifest["claims"] if entry["kind"] == "prediction"]
    assert set(labels) <= {0}  # the truth of this network


def test_a_fuzzed_model_is_answered(made):
    """The hash is made to fit, so that the reader is what is tested."""
    for number in range(COUNT // 3):
        rng = np.random.default_rng([12, number])
        again = base_for(made, fuzzed(rng, made.model))
        assert again.check().answer in ("ACCEPTED", "REJECTED", "REFUSED")


def base_for(made, model: bytes):
    manifest = {**made.manifest, "model_sha256": hashlib.sha256(model).hexdigest()}
    return replace(made, model=model, manifest=manifest)
