"""Does the evidence notice a broken checker? Mutants made by rule, each must be caught.

A sample by default; VERIXPLAIN_MUTANTS=all runs all of them (about fifteen minutes).
"""

import os

import numpy as np
import pytest

from .judge import first_complaint
from .mutants import load, mutants

HARMLESS: dict[str, str] = {}

ALL = [mutant for mutant in mutants() if mutant.name not in HARMLESS]
WANTED = os.environ.get("VERIXPLAIN_MUTANTS", "30")
SAMPLE = (
    ALL
    if WANTED == "all"
    else [ALL[i] for i in np.random.default_rng(0).choice(len(ALL), int(WANTED), replace=False)]
)


def test_there_are_enough_and_every_exception_still_exists():
    names = {mutant.name for mutant in mutants()}
    assert len(ALL) > 300
    assert not set(HARMLESS) - names


def test_the_checker_itself_is_not_complained_about():
    assert first_complaint("verixplain.checker", "lines", 16) is None


@pytest.mark.parametrize("mutant", SAMPLE, ids=lambda mutant: mutant.name)
def test_a_mutant_is_caught(mutant, tmp_path):
    package = load(mutant, tmp_path / "mutant", f"mutant_{abs(hash(mutant.name))}")
    assert first_complaint(package, mutant.module, 24) is not None
