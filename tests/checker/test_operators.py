"""Every operator refuses what it does not know, attribute by attribute."""

import json
from pathlib import Path

import pytest

from verixplain.checker.operators import build
from verixplain.checker.reasons import Reason, Refusal
from verixplain.checker.wire import read_model

from .tampering import one_node

VECTORS = json.loads((Path(__file__).parent / "vectors" / "operators.json").read_text())


def reason_for(given: dict) -> str | None:
    try:
        build(read_model(one_node(given)))
    except Refusal as refusal:
        return refusal.reason
    except Exception:
        return Reason.MALFORMED
    return None


@pytest.mark.parametrize("given", VECTORS, ids=lambda given: given["comment"])
def test_an_operator_is_read_or_refused(given):
    assert reason_for(given) == given["reason"]
