"""What claims share: numbers in words, and options."""

from decimal import ROUND_CEILING, ROUND_FLOOR
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verixplain.certify.claim import claims_named, in_words
from verixplain.errors import SettingError


@given(st.floats(0, 1e300))
def test_a_number_in_words_never_promises_more(number):
    low, high = (in_words(number, way) for way in (ROUND_FLOOR, ROUND_CEILING))
    assert Fraction(low) <= Fraction(number) <= Fraction(high)
    assert Fraction(low) >= Fraction(number) * Fraction(99999, 100000)


def test_an_option_that_nothing_takes_is_refused():
    with pytest.raises(SettingError, match="shift"):
        claims_named(["order"], {"shift": 0.1})
    with pytest.raises(SettingError, match="shift"):
        claims_named(["map-stability:saliency"], {"shift": 0.1})


def test_an_option_of_one_claim_is_none_of_another():
    found = claims_named(["stability", "map-stability:saliency"], {"shift": "max", "top_k": 2})
    assert found[0][1].parameters["shift"] == "max"
    assert found[1][1].parameters["top_k"] == 2
