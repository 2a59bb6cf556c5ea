"""The tests of vnnlib-satisfactory, an independent suite, with `real` for every float32.

Of float32 nothing but counterexamples is claimed here, so the standard asks the user to say real.
"""

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from verixplain.errors import VerixplainError
from verixplain.vnnlib.deadline import Deadline
from verixplain.vnnlib.model import load_for
from verixplain.vnnlib.parse import parse
from verixplain.vnnlib.solve import solve
from verixplain.vnnlib.supports import operators

THEORIES = (
    "network_multiple", "network_equal", "network_isomorphic", "hidden", "multi_io",
    "arithmetic_poly",
)  # fmt: skip
"""Categories of theories that `supports` does not name."""

SECONDS = 3


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    pytest.importorskip("vnntest", reason="vnnlib-satisfactory is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("suite"))
        import vnntest.generators  # noqa: F401 - registers them
        from vnntest.core.generator import generate_all_tests

        generate_all_tests(suite="full")
        yield Path.cwd() / ".vnnlib-satisfactory"


def test_no_answer_is_wrong_and_most_are_given(cases):
    known, counts, wrong = set(operators()), Counter(), []
    for entry in json.loads((cases / "manifest.json").read_text()):
        operator = entry["primary_op_type"]
        if entry["category"] in THEORIES or (operator and operator not in known):
            counts["skipped"] += 1
            continue
        folder = cases / "tests" / entry["category"]
        text = (folder / entry["vnnlib"]).read_text()
        text = re.sub(r"(declare-(?:input|output) \w+) float32", r"\1 real", text)
        try:
            specification = parse(text)
            network = load_for(specification, folder / entry["onnx"])
            verdict = solve(specification, network, Deadline(SECONDS)).verdict
        except VerixplainError:
            verdict = "error"
        expected = entry["expected"].lower()
        counts["right" if verdict == expected else verdict] += 1
        if {verdict, expected} == {"sat", "unsat"}:
            wrong.append(entry["name"])
    assert not wrong
    assert counts["right"] >= 110, counts
