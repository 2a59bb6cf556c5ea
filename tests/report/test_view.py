from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tests.report.examples import made_up
from verixplain.explanation import Overlaps
from verixplain.query import Target
from verixplain.report.view import interval, overlap_in_words, view

numbers = st.floats(-1e12, 1e12)


@given(numbers, numbers)
def test_shown_intervals_hold_the_exact_ones(a, b):
    lower, upper = sorted((a, b))
    left, right = interval(lower, upper).strip("[]").split(", ")
    assert Decimal(left) <= Decimal(lower)
    assert Decimal(right) >= Decimal(upper)


def test_small_numbers_keep_their_digits():
    assert interval(1.23456e-9, 1.23456e-9) == "[1.234e-9, 1.235e-9]"
    assert interval(-0.12344, 123456.0) == "[-0.1235, 123500]"


def test_the_best_groups_come_first():
    found = view(made_up("grid"), rows=3)
    assert [row.group for row in found.rows] == ["2,3", "1,1", "1,2"]
    assert found.left_out == 9


def words(lower, upper, target=None):
    overlaps = made_up().overlaps
    overlaps = Overlaps(
        lower,
        upper,
        overlaps.group_lower,
        overlaps.group_upper,
        overlaps.witness,
        overlaps.group_witness,
    )
    return overlap_in_words(overlaps, target or Target.label(2), "estimate")


def test_the_enclosure_is_put_in_words():
    says = "class 2 stays ahead of every other class everywhere (estimate)"
    assert says in words(-2, -1)
    assert "a witness is kept" in words(0.0, 1)
    assert "unknown" in words(-1, 0.0)


def test_of_two_classes_nothing_is_said_about_a_third():
    alone = words(-2, -1, Target.pair(2, 5))
    assert "class 2 stays ahead of class 5 everywhere" in alone
    assert "every other" not in alone
    assert "all 1 rows stay below zero everywhere" in words(-2, -1, Target.rows([[1.0]]))


def test_a_page_escapes_every_word():
    explanation = replace(made_up("columns"), notes=("<script>alert(1)</script>",))
    page = explanation._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "&lt;feature &amp; " in page


def test_a_stripped_softmax_is_said():
    explanation = made_up()
    explanation.query.network.stripped = "Softmax"
    assert "without its last Softmax" in dict(view(explanation).facts)["model"]
