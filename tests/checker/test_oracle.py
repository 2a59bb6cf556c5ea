"""The checker against exact rationals. VERIXPLAIN_ORACLE=2000 asks for that many networks."""

import os

import pytest

from .judge import wrong_flushes
from .local import wrong_pieces
from .oracle import violations

COUNT = int(os.environ.get("VERIXPLAIN_ORACLE", "96"))


@pytest.mark.parametrize("seed", range(4))
def test_no_bound_contradicts_an_exact_rational(seed):
    assert not list(violations("verixplain.checker", seed, COUNT // 4))


def test_every_backward_step_keeps_its_promise_exactly():
    assert not list(wrong_pieces("verixplain.checker", seed=7, count=2 * COUNT))


def test_flushing_a_subnormal_input_is_paid_for():
    assert not list(wrong_flushes("verixplain.checker"))
