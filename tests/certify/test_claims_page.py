"""`CLAIMS.md`: every kind of claim says what it says, and what it does not."""

import pytest

from verixplain.registry import claim_kinds
from verixplain.report.guarantee.sentences import sentences


@pytest.mark.parametrize("kind", sorted(claim_kinds))
def test_every_kind_has_its_section(kind):
    found = sentences(kind)
    assert len(found["says"]) > 80
    assert len(found["does_not_say"]) > 80
