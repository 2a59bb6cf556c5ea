"""What each kind of claim says, on networks small enough to know the answer."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from verixplain.checker.steps import check

from .hostile import Writer
from .making import draft, margins
from .tampering import base, tampered

EVERYTHING = np.array([[1.0]])


def three_units() -> bytes:
    """relu(5 x1) - relu(5 x1) + relu(x2), from two separate ReLU nodes."""
    w = Writer(np.random.default_rng(0), "plain")
    first = w.constant([[5.0, 0.0], [5.0, 0.0], [0.0, 1.0]])
    h = w.node("Relu", [w.node("Gemm", ["x", first], transB=1)])
    last = w.constant([[1.0, -1.0, 1.0]])
    return w.model((1, 2), w.node("Gemm", [h, last], transB=1))


def corner(x1: float, x2: float) -> np.ndarray:
    return np.array([[x1, x2]], np.float32)


def test_the_order_that_interval_eva_gets_wrong_is_not_certified():
    """True importances are (0, 1); EVA with intervals says (5, 1). It stays undecided."""
    made = draft(three_units(), [0.0, 0.0], 1.0, EVERYTHING, groups=[[0], [1]])
    made.groups([0, 1]).witnesses(corner(0.0, 1.0), [0], [0]).settle()
    assert made.check().report["claims"][1]["proved"]["real"][0] == pytest.approx(1.0)
    made.claim("order", pairs=made.put("pairs", np.array([[0, 1]], np.int32)))
    assert made.check().answer == "REJECTED"


def linear(weights) -> bytes:
    w = Writer(np.random.default_rng(0), "plain")
    last = w.constant(np.array([weights]))
    return w.model((1, len(weights)), w.node("Gemm", ["x", last], transB=1))


def test_on_a_linear_network_every_true_order_is_certified_and_no_false_one():
    weights = np.array([4.0, -2.0, 1.0, 0.5])
    made = draft(linear(weights), np.zeros(4), 1.0, EVERYTHING, groups=[[0], [1], [2], [3]])
    points = np.sign(weights) * (1.0 - np.eye(4))
    made.groups(range(4)).witnesses(points.astype(np.float32), range(4), [0] * 4).settle()
    for u, v in product(range(4), range(4)):
        pairs = made.put("pairs", np.array([[u, v]], np.int32))
        made.manifest["claims"] = [*made.manifest["claims"][:2], {"kind": "order", "pairs": pairs}]
        assert made.check().answer == ("ACCEPTED" if u < v else "REJECTED")
    del made.arrays["pairs"]
    for size in (1, 2, 3):
        top = made.put("top", np.arange(size, dtype=np.int32))
        made.manifest["claims"] = [*made.manifest["claims"][:2], {"kind": "top-k", "group": top}]
        assert made.check().answer == "ACCEPTED"
        made.put("top", np.arange(1, size + 1, dtype=np.int32))
        assert made.check().answer == "REJECTED"


def test_a_tie_is_never_certified():
    made = draft(linear([1.0, 1.0]), [0.0, 0.0], 1.0, EVERYTHING, groups=[[0], [1]])
    points = np.array([[0.0, 1.0], [1.0, 0.0]], np.float32)
    made.groups([0, 1], [1.0, 1.0]).witnesses(points, [0, 1], [0, 0], [1.0, 1.0])
    pairs = made.put("pairs", np.array([[0, 1]], np.int32))
    assert made.claim("order", pairs=pairs).check().answer == "REJECTED"


def test_one_threshold_on_both_sides_proves_no_order():
    """U <= s and L >= s with the same s: both hold, and nothing follows."""
    made = base()
    made.manifest["claims"] = made.manifest["claims"][:4]
    s = -2.2187
    for semantics in ("real", "float32"):
        made.arrays[f"groups.{semantics}"][0] = s
        made.arrays[f"witness.{semantics}"][2] = s - 1e-3
    made.claim("order", pairs=made.put("pairs", np.array([[0, 2]], np.int32)))
    del made.arrays["order.pairs"], made.arrays["top-k.group"]
    made.arrays["groups.real"][0] = made.arrays["witness.real"][2]
    assert made.check("real").answer == "REJECTED"


def test_a_witness_bounds_its_named_row_only():
    """The largest of the rows -C is no lower bound: row 1 is far below row 0 here."""
    made = draft(linear([1.0, 2.0]), [0.0, 0.0], 1.0, [[1.0], [-1.0]])
    point = np.array([[1.0, 1.0]], np.float32)
    made.witnesses(point, [-1], [1], [3.0])
    assert made.check().answer == "REJECTED"
    made.arrays["witness.row"][:] = 0
    made.arrays["witness.real"][:] = made.arrays["witness.float32"][:] = 2.99
    assert made.check().answer == "ACCEPTED"


def test_sharing_intermediate_bounds_and_cutting_them_is_tighter_than_sharing_alone():
    made = base()
    verdict = made.check()
    whole, groups = (np.array(c["proved"]["real"]) for c in verdict.report["claims"][:2])
    assert (groups < whole.max()).all()


def test_float32_is_said_only_where_it_was_proved():
    made = base()
    made.arrays["bound.float32"] -= 1e-5
    verdict = made.check()
    assert verdict.report["semantics"] == {"real": "ACCEPTED", "float32": "REJECTED"}
    assert set(verdict.report["conclusions"]) == {"real"}
    assert made.check("real").answer == "ACCEPTED"
    assert made.check("float32").answer == "REJECTED"


def test_the_constructed_network_is_not_certified():
    """A bias of 2^25 swallows x: float32 says that -f is below -0.469; exactly it is x - 0.469."""
    weight = np.array([[1.0], [0.0], [0.0]], np.float32)
    bias = np.array([2.0**25, 2.0**25, 0.46875], np.float32)
    last = np.array([[1.0, -1.0, -1.0]], np.float32)
    w = Writer(np.random.default_rng(0), "plain")
    h = w.node("Relu", [w.node("Gemm", ["x", w.constant(weight), w.constant(bias)], transB=1)])
    model = w.model((1, 1), w.node("Gemm", [h, w.constant(last)], transB=1))
    lower, upper = np.array([0.9], np.float32), np.array([1.0], np.float32)
    low, high = (np.maximum(weight @ x + bias, 0) for x in (lower, upper))
    assert (low == high).all()  # interval arithmetic in float32 sees one point,
    assert (last @ high).item() == -0.46875  # and calls the decision safe
    exact = Fraction(float(lower[0])) - Fraction(0.46875)
    assert exact > 0.43
    made = draft(model, [0.95], (lower, upper), EVERYTHING).bound()
    made.witnesses(lower[None], [-1], [0])
    bound, witness = (claim["proved"] for claim in made.check().report["claims"])
    assert Fraction(bound["real"][0]) >= Fraction(float(upper[0])) - Fraction(0.46875)
    assert 0.43 < witness["real"][0] <= exact
    assert bound["float32"][0] > 1.0  # a float32 run may be off by several units here


def test_the_smallest_score_wins_where_the_rows_are_reversed():
    made = draft(linear_classes(), [0.5], 0.25, -margins(0, 3)).bound().settle()
    made.claim("prediction", label=0)
    (said,) = [s for s in made.check().report["conclusions"]["real"] if "class" in s]
    assert said == "class 0 has the strictly smallest score at every point of the box"
    made.manifest["claims"][-1]["label"] = 1
    assert made.check().answer == "REJECTED"


def linear_classes() -> bytes:
    """Scores x, 2 x + 1, 3 x + 2."""
    w = Writer(np.random.default_rng(0), "plain")
    weight, bias = w.constant([[1.0], [2.0], [3.0]]), w.constant([0.0, 1.0, 2.0])
    return w.model((1, 1), w.node("Gemm", ["x", weight, bias], transB=1))


def test_slopes_are_advice_and_matter():
    """z = relu(x1) - x1 / 2 wants slope 1/2 below when bounded from below."""
    w = Writer(np.random.default_rng(0), "plain")
    h = w.node("Relu", [w.node("Gemm", ["x", w.constant([[1.0]])])])
    half = w.node("Mul", ["x", w.constant([0.5])])
    model = w.model((1, 1), w.node("Sub", [half, h]))
    made = draft(model, [0.0], 1.0, EVERYTHING).bound()
    adaptive = made.check().report["claims"][0]["proved"]["real"][0]
    slopes = {"target": None, "layer": h, "rows": None, "lower": None}
    slopes["columns"] = made.put("columns", np.array([0], np.int32))
    slopes["upper"] = made.put("shares", np.array([[128]], np.uint8))
    made.manifest["recipe"]["slopes"].append(slopes)
    advised = made.check().report["claims"][0]["proved"]["real"][0]
    assert adaptive == pytest.approx(0.5)
    assert advised == pytest.approx(0.0, abs=0.002)  # the truth is 0


@pytest.mark.parametrize("last", ["Softmax", "LogSoftmax", "Sigmoid"])
def test_a_trailing_activation_is_skipped_and_said(last):
    w = Writer(np.random.default_rng(0), "plain")
    scores = w.node("Gemm", ["x", w.constant([[1.0, 2.0], [0.0, -1.0]])], transB=1)
    verdict = draft(w.model((1, 2), w.node(last, [scores])), [0.0, 0.0], 0.1, margins(0, 2))
    assert any(last in said for said in verdict.bound().check().report["assumptions"])


def test_the_report_is_the_same_for_the_same_bytes():
    first, second = (check_twice() for _ in range(2))
    assert first == second


def check_twice() -> dict:
    model, data = tampered([])
    report = check(model, data).report
    del report["seconds"]
    return report
