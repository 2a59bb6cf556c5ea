"""Both versions of the language: what is read, what is refused, and on which line."""

import gzip
from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verixplain.errors import QueryError, UnsupportedQueryError
from verixplain.vnnlib.parse import parse, read

HEAD = "".join(f"(declare-const {name} Real)" for name in ("X_0", "X_1", "Y_0", "Y_1"))
BOX = "(assert (>= X_0 0))(assert (<= X_0 1))(assert (>= X_1 -1))(assert (<= X_1 0.5))"
NETWORK = """(vnnlib-version <2.0>)
(declare-network N (declare-input X real [1,2]) (declare-output Y real [1,2]))
"""
BOX2 = "(assert (and (>= X[0,0] 0.0) (<= X[0,0] 1.0) (>= X[0,1] -1.0) (<= X[0,1] 0.5)))"


def unsafe(specification, x, y):
    """Whether the query calls this pair unsafe, by its regions."""
    return any(
        all(low <= v <= high for low, v, high in zip(r.lower, x, r.upper, strict=True))
        and any(all(c.holds(list(x), list(y)) for c in conj) for conj in r.unsafe)
        for r in specification.regions
    )


def test_version_one():
    found = parse(HEAD + BOX + "(assert (or (and (>= Y_0 Y_1) (<= Y_0 2)) (and (>= Y_1 3.5))))")
    assert found.version == (1, 0)
    assert found.real
    (region,) = found.regions
    assert region.lower == (0, -1)
    assert region.upper == (1, Fraction(1, 2))
    assert [len(conjunction) for conjunction in region.unsafe] == [2, 1]
    assert region.unsafe[1][0].constant == Fraction(-7, 2)


def test_version_two_says_the_same_as_version_one():
    first = parse(HEAD + BOX + "(assert (or (and (>= Y_0 Y_1)) (and (<= Y_1 3.5))))")
    second = parse(NETWORK + BOX2 + "(assert (or (>= Y[0,0] Y[0,1]) (<= Y[0,1] 3.5)))")
    assert second.network == "N"
    assert first.regions == second.regions


def test_spaces_inside_an_index_and_comments_are_nothing():
    text = NETWORK.replace("[1,2]", "[ 1 , 2 ]") + BOX2 + "; (assert\n(assert (>= Y[ 0 , 1 ] 3.0))"
    assert parse(text).regions == parse(NETWORK + BOX2 + "(assert (>= Y[0,1] 3.0))").regions


def test_decimals_are_exact():
    found = parse(HEAD + BOX.replace("0.5", "0.1") + "(assert (>= Y_0 1e-3))")
    assert found.regions[0].upper[1] == Fraction(1, 10)
    assert found.regions[0].unsafe[0][0].constant == Fraction(-1, 1000)


def test_boxes_in_a_disjunction_become_regions():
    text = HEAD + (
        "(assert (or (and (<= X_0 1) (>= X_0 0) (<= X_1 1) (>= X_1 0))"
        "            (and (<= X_0 3) (>= X_0 2) (<= X_1 1) (>= X_1 0))))"
        "(assert (or (>= Y_0 1) (>= Y_1 1)))"
    )
    regions = parse(text).regions
    assert [(r.lower[0], r.upper[0], len(r.unsafe)) for r in regions] == [(0, 1, 2), (2, 3, 2)]


def test_the_tightest_bound_counts_and_an_empty_box_is_empty():
    text = HEAD + BOX + "(assert (<= X_0 0.5))(assert (>= X_0 0.25))(assert (>= Y_0 0))"
    assert parse(text).regions[0].lower[0] == Fraction(1, 4)
    assert parse(text).regions[0].upper[0] == Fraction(1, 2)
    assert parse(HEAD + BOX + "(assert (>= X_0 2))(assert (>= Y_0 0))").regions[0].empty


def test_strict_bounds_cut_the_box_and_still_count():
    found = parse(HEAD + BOX + "(assert (> X_0 0.5))(assert (>= Y_0 0))")
    assert not unsafe(found, [Fraction(1, 2), 0], [1, 0])
    assert unsafe(found, [Fraction(3, 4), 0], [1, 0])


@pytest.mark.parametrize(
    ("condition", "meaning"),
    [
        ("(<= Y_0 Y_1)", lambda x, y: y[0] <= y[1]),
        ("(< Y_0 Y_1)", lambda x, y: y[0] < y[1]),
        ("(== Y_0 Y_1)", lambda x, y: y[0] == y[1]),
        ("(!= Y_0 Y_1)", lambda x, y: y[0] != y[1]),
        ("(>= (+ Y_0 (* 2 Y_1) X_0) 1)", lambda x, y: y[0] + 2 * y[1] + x[0] >= 1),
        ("(>= (- Y_0 Y_1 X_1) (- 1))", lambda x, y: y[0] - y[1] - x[1] >= -1),
        ("(>= (* (- 2) Y_0) (* 3 (- 0.5 Y_1)))", lambda x, y: -2 * y[0] >= 3 * (0.5 - y[1])),
        (
            "(and (or (<= Y_0 0) (<= Y_1 0)) (or (>= Y_0 1) (>= X_0 1)))",
            lambda x, y: (y[0] <= 0 or y[1] <= 0) and (y[0] >= 1 or x[0] >= 1),
        ),
        ("(or (<= 1 0) (>= Y_0 1))", lambda x, y: y[0] >= 1),
    ],
)
def test_conditions_mean_what_they_say(condition, meaning):
    found = parse(HEAD + BOX + f"(assert {condition})")
    for x0, y0, y1 in product((0, Fraction(1, 2), 1), (-1, 0, 1), (-1, 0, 1)):
        x, y = [Fraction(x0), Fraction(0)], [Fraction(y0), Fraction(y1)]
        assert unsafe(found, x, y) == meaning(x, y), (x, y)


ATOMS = st.sampled_from(["(<= Y_0 0)", "(>= Y_1 0)", "(<= Y_0 Y_1)", "(> X_0 0.5)", "(<= X_1 0)"])
TREES = st.recursive(
    ATOMS,
    lambda inner: st.tuples(
        st.sampled_from(["and", "or"]), st.lists(inner, min_size=1, max_size=3)
    ),
    max_leaves=8,
)


def written(tree):
    return tree if isinstance(tree, str) else f"({tree[0]} {' '.join(map(written, tree[1]))})"


def truth(tree, x, y):
    if isinstance(tree, str):
        return {
            "(<= Y_0 0)": y[0] <= 0,
            "(>= Y_1 0)": y[1] >= 0,
            "(<= Y_0 Y_1)": y[0] <= y[1],
            "(> X_0 0.5)": 2 * x[0] > 1,
            "(<= X_1 0)": x[1] <= 0,
        }[tree]
    return (all if tree[0] == "and" else any)(truth(part, x, y) for part in tree[1])


@given(st.lists(TREES, min_size=1, max_size=3))
def test_the_normal_form_is_the_formula(trees):
    found = parse(HEAD + BOX + "".join(f"(assert {written(tree)})" for tree in trees))
    half = Fraction(1, 2)
    for x0, x1, y0, y1 in product((0, half, 1), (-1, half), (-1, 1), (-1, 1)):
        x, y = [Fraction(x0), Fraction(x1)], [Fraction(y0), Fraction(y1)]
        assert unsafe(found, x, y) == all(truth(tree, x, y) for tree in trees)


HOSTILE = {
    "": "empty",
    "; only a comment": "empty",
    "X": "outside all parentheses",
    ")": "nobody opened",
    "(assert": "never closed",
    "(" * 200: "more than 100",
    "(foo)": "no statement 'foo'",
    "()": "begins with a word",
    "(declare-const X_0 Int)": "declare-const NAME Real",
    "(declare-const Z_0 Real)": "X_0, X_1",
    "(declare-const X_1 Real)(declare-const Y_0 Real)": "without gaps",
    "(declare-const X_0 Real)(declare-const X_0 Real)": "twice",
    HEAD + "(assert)": "exactly one condition",
    HEAD + "(assert Y_0)": "no condition",
    HEAD + "(assert (>= Y_0))": "two sides",
    HEAD + "(assert (>= Y_0 Q_1))": "'Q_1' is no number",
    HEAD + "(assert (>= Y_0 Y_9))": "'Y_9' is no number",
    HEAD + "(assert (>= Y_0 nan))": "'nan' is no number",
    HEAD + "(assert (>= Y_0 1e999999999))": "is no number",
    HEAD + "(assert (>= Y_0 (/ 1 2)))": "no operator '/'",
    HEAD + "(assert (and))": "and, or",
    HEAD + "(assert (xor (>= Y_0 1)))": "and, or",
    HEAD + BOX.replace("(assert (<= X_1 0.5))", ""): "input number 1 has no upper bound",
    HEAD + BOX + '(assert (>= Y_0 "))': "opens or closes nothing",
    "(vnnlib-version 2.0)(declare-network N)": "MAJOR.MINOR",
    "(vnnlib-version <3.0>)(declare-network N)": "supported are 1.0 to",
    "(vnnlib-version <2.0>)": "first the networks",
    NETWORK: "asserts nothing",
    NETWORK + "(assert (>= X[0,2] 0))": "has shape",
    NETWORK + "(assert (>= X[0] 0))": "has shape",
    NETWORK + "(assert (>= X[0,-1] 0))": "is no number",
    NETWORK + "(assert (>= X 0))": "has shape",
    NETWORK + "[0]": "outside all",
    NETWORK.replace("real [1,2]", "float32 [0,2]") + BOX2: "1 to",
    NETWORK.replace("real [1,2]", "real") + BOX2: "NAME TYPE",
    NETWORK.replace("real [1,2]", "real [1,2] 3") + BOX2: "NAME TYPE",
    NETWORK.replace("Y real", "X real") + BOX2: "different names",
}


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[-40:])
def test_what_is_no_query_is_refused(text):
    with pytest.raises(QueryError, match=HOSTILE[text]):
        parse(text)


UNSUPPORTED = {
    HEAD + BOX + "(assert (>= (* Y_0 Y_1) 0))": "POLY",
    HEAD + BOX + "(assert (and " + "(or (<= Y_0 0) (<= Y_1 0))" * 30 + "))": "100,000 cases",
    HEAD + BOX + "(assert (or (<= Y_0 0) (<= Y_1 0)))" * 30: "100,000 cases",
    NETWORK.replace("(declare-output", '(declare-hidden H real [1] "h")(declare-output'): "hidden",
    NETWORK.replace("(declare-input", "(equal-to M)(declare-input"): "SNET",
    NETWORK + NETWORK.split("\n")[1].replace("N", "M") + BOX2: "SNET",
    NETWORK.replace("(declare-output", "(declare-input Z real [1])(declare-output") + BOX2: "SIO",
    NETWORK.replace("X real", "X int8") + BOX2: "int8",
}


@pytest.mark.parametrize("text", UNSUPPORTED, ids=lambda text: UNSUPPORTED[text])
def test_what_is_not_supported_is_named(text):
    with pytest.raises(UnsupportedQueryError, match=UNSUPPORTED[text]):
        parse(text + ("" if "(assert" in text else BOX2))


def test_an_error_says_its_line():
    with pytest.raises(QueryError, match="line 4: "):
        parse("; one\n\n(declare-const X_0 Real)\n(declare-const X_0 Real)")


def test_packed_files(tmp_path):
    text = HEAD + BOX + "(assert (>= Y_0 0))"
    (tmp_path / "q.vnnlib").write_text(text)
    with gzip.open(tmp_path / "q.vnnlib.gz", "wt") as file:
        file.write(text)
    assert read(tmp_path / "q.vnnlib") == read(tmp_path / "q.vnnlib.gz")


@pytest.mark.parametrize(
    ("name", "data", "match"),
    [
        ("q.vnnlib", b"\xff\xfe", "not text"),
        ("q.vnnlib.gz", b"plain", "cannot read"),
        ("q.vnnlib.gz", gzip.compress(b"(assert (>= X_0 1))", mtime=0)[:-9], "cannot read"),
        ("q.vnnlib.gz", gzip.compress(b" " * (2**28 + 1), 1, mtime=0), "more than"),
        (None, b"", "cannot read"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, name, data, match):
    path = tmp_path / (name or "missing.vnnlib")
    if name:
        path.write_bytes(data)
    with pytest.raises(QueryError, match=match):
        read(path)
