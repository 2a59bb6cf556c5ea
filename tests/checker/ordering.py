"""Small certificates about order and decisions, with the answer that each must get.

Unlike a vector, each is about a network of its own, made so that one trap decides.
"""

from collections.abc import Iterator

import numpy as np

from .hostile import Writer
from .making import Draft, draft, margins

EACH = np.array([[0], [1], [2], [3]])

Case = tuple[str, Draft, str, str | None]
"""Comment, certificate, answer, and the reason of a refusal."""


def linear(semantics=("real",), weights=(4.0, -2.0, 1.0, 1.0), groups=EACH) -> Draft:
    """One row, `weights . x`, on the box [-1, 1]: gains are differences of sizes of weights."""
    w = Writer(np.random.default_rng(0), "plain")
    model = w.model((1, 4), w.node("Gemm", ["x", w.constant(np.array([weights]))], transB=1))
    return draft(model, np.zeros(4), 1.0, np.array([[1.0]]), groups=groups, semantics=semantics)


def exchanged(made: Draft, pairs) -> Draft:
    return made.claim("exchange", pairs=made.put("exchanged", np.array(pairs, np.int32)))


def ordered(made: Draft, pairs) -> Draft:
    return made.claim("order", pairs=made.put("order", np.array(pairs, np.int32)))


def two_rows(witness: bool) -> Draft:
    """Rows 3 x0 + x1 and 9 x1 - 100: the second wants the other order, and never matters."""
    w = Writer(np.random.default_rng(0), "plain")
    weight, bias = w.constant([[3.0, 1.0], [0.0, 9.0]]), w.constant([0.0, -100.0])
    model = w.model((1, 2), w.node("Gemm", ["x", weight, bias], transB=1))
    made = draft(model, np.zeros(2), 1.0, np.eye(2), groups=[[0], [1]], semantics=("real",))
    if witness:
        made.witnesses(np.zeros((1, 2), np.float32), [0], [0]).settle()
    return made


def decided(upper: float) -> Draft:
    """Two scores of which the first wins by 8; the bound claimed of the other is weaker."""
    w = Writer(np.random.default_rng(0), "plain")
    weight, bias = w.constant([[1.0, 0.0], [0.0, 1.0]]), w.constant([10.0, 0.0])
    model = w.model((1, 2), w.node("Gemm", ["x", weight, bias], transB=1))
    made = draft(model, np.zeros(2), 1.0, margins(0, 2), groups=[[0], [1]])
    return made.groups([-1], [upper]).claim("prediction", label=0)


def between(lower: float) -> Draft:
    """The row x on a box whose upper end, 1 - 2^-30, lies between two numbers of float32."""
    w = Writer(np.random.default_rng(0), "plain")
    model = w.model((1, 1), w.node("Gemm", ["x", w.constant([[1.0]])], transB=1))
    row = np.array([[1.0]])
    made = draft(model, np.zeros(1), 1.0, row, groups=[[0]], semantics=("real",))
    for end, sign in (("lower", -1.0), ("upper", 1.0)):
        made.put(end, np.array([sign * (1.0 - 2.0**-30)]))
    made.put("center", np.zeros(1))
    return made.witnesses(np.array([[2]], np.uint8), [-1], [0], [lower])


def moved(made: Draft, shift: float) -> Draft:
    """The same about every input of the range within a shift; the range cuts one side."""
    center = made.arrays["center"].astype(np.float64)
    radius = made.arrays["upper"].astype(np.float64) - center
    put = {"lower": -radius, "upper": radius, "shift": np.full(len(center), shift)}
    put |= {"least": center - shift / 2, "most": center + 10.0}
    made.manifest["region"] |= {name: made.put(name, array) for name, array in put.items()}
    return made


FOUR = [[(0, 0, s), (0, 1, t)] for s in (1, -1) for t in (1, -1)]


def split(leaves=FOUR, multipliers=((0, 0), (0, 1), (0, 1), (0, 0)), layer="") -> Draft:
    """relu(5 x0) - relu(5 x0) + relu(x1), whose bound with x1 frozen is 0 on leaves only."""
    w = Writer(np.random.default_rng(0), "plain")
    first, last = [[5.0, 0.0], [5.0, 0.0], [0.0, 1.0]], [[1.0, -1.0, 1.0]]
    h = w.node("Relu", [w.node("Gemm", ["x", w.constant(first)], transB=1)])
    model = w.model((1, 2), w.node("Gemm", [h, w.constant(last)], transB=1))
    made = draft(model, np.zeros(2), 1.0, np.array([[1.0]]), groups=[[0], [1]])
    flat = [part for leaf in leaves for part in leaf]
    made.manifest["recipe"]["tree"] = {
        "layers": [layer or h],
        "starts": made.put("starts", np.cumsum([0, *map(len, leaves)]).astype(np.int32)),
        "splits": made.put("splits", np.array(flat, np.int32).reshape(-1, 3)),
        "passes": made.put("passes", np.array([(k, 0, 1) for k in range(len(leaves))], np.int32)),
        "multipliers": made.put("multipliers", np.array(multipliers, np.float32)),
    }
    made.groups([1], [1e-4]).witnesses(np.array([[0.0, 1.0]], np.float32), [0], [0], [0.5])
    return ordered(made, [(1, 0)])


def split_cases() -> Iterator[Case]:
    """Leaves that prove an order, and leaves that must not."""
    yield "four leaves", split(), "ACCEPTED", None
    yield "leaves without multipliers", split(multipliers=[(0, 0)] * 4), "REJECTED", None
    made = split()
    made.put("passes", np.array([(k, 0, -1) for k in range(4)], np.int32))
    yield "passes over the whole box", made, "REJECTED", None
    made = split()
    made.put("passes", np.array([(k, 0, 1) for k in (0, 1, 2, 2)], np.int32))
    yield "a leaf without a pass", made, "REJECTED", None
    beta = ((0, 0), (0, 1), (0, 1))
    for gone in range(4):
        made = split([leaf for k, leaf in enumerate(FOUR) if k != gone], beta)
        yield "three leaves of four", made, "REFUSED", "cover"
    made = split([[(0, 0, 1)], [(0, 1, -1)]], ((0,), (0,)))
    yield "leaves of two neurons that do not meet", made, "REFUSED", "cover"
    made = split([[(0, 0, 1), (0, 0, -1)], [(0, 0, -1)]], ((0, 0), (0, 0)))
    yield "a neuron split twice in a leaf", made, "REFUSED", "recipe"
    for wrong in ((0, 0, 0), (0, 0, 2), (0, 3, 1), (0, -1, 1), (1, 0, 1), (-1, 0, 1)):
        made = split([[wrong], [(0, 0, -1)]], ((0,), (0,)))
        yield f"a split {wrong}", made, "REFUSED", "recipe"
    for wrong in ((4, 0, 1), (-1, 0, 1), (0, 1, 1), (0, -1, 1), (0, 0, 2), (0, 0, -2)):
        made = split()
        made.put("passes", np.array([wrong] * 4, np.int32))
        yield f"a pass {wrong}", made, "REFUSED", "recipe"
    made = split(multipliers=((0, 0), (0, 1), (0, -1), (0, 0)))
    yield "a multiplier below 0", made, "REFUSED", "recipe"
    yield "a split of what is no layer", split(layer="y"), "REFUSED", "recipe"
    w = Writer(np.random.default_rng(0), "plain")
    h = w.node("Relu", ["x"])
    model = w.model((1, 2), w.node("Gemm", [h, w.constant([[1.0, 1.0]])], transB=1))
    made = draft(model, np.array([0.5, 0.0]), 1.0, np.array([[1.0]]), groups=[[0], [1]])
    made.manifest["recipe"] |= {"refine": {}, "tree": split().manifest["recipe"]["tree"]}
    made.manifest["recipe"]["tree"] |= {"layers": [h]}
    put = {"starts": [0, 1, 2], "splits": [[0, 0, 1], [0, 0, -1]], "passes": [[0, 0, 0], [1, 0, 0]]}
    for name, array in put.items():
        made.put(name, np.array(array, np.int32))
    made.put("multipliers", np.zeros((2, 1), np.float32))
    yield "a leaf of one number is not empty", made.groups([0], [1.4]), "REJECTED", None
    made = split()
    made.put("starts", np.array([0, 4, 2, 6, 8], np.int32))
    yield "leaves out of order", made, "REFUSED", "recipe"


def moved_cases() -> Iterator[Case]:
    """Boxes that move with the input, and faces."""
    made = exchanged(moved(linear(), 0.25), [(0, 1)])
    yield "a stable order", made, "ACCEPTED", None
    made = exchanged(moved(linear(weights=(4.0, -3.0, 1.0, 1.0)), 0.5), [(0, 1)])
    made.put("most", np.array([0.5, 9.0, 9.0, 9.0]))
    made.put("least", np.array([-0.5, -9.0, -9.0, -9.0]))
    yield "room that is lost at the end of the range", made, "REJECTED", None
    wrong = {"shift": -0.1, "lower": 0.1, "upper": -0.1, "least": 0.5, "most": -0.5}
    for name, value in wrong.items():
        made = exchanged(moved(linear(), 0.25), [(0, 1)])
        made.put(name, np.full(4, value))
        yield f"{name} of a region that moves", made, "REFUSED", "region"
    for made in (linear(("real", "float32")), moved(linear(), 0.1)):
        made.groups([0], [9.0]).manifest["recipe"]["faces"] = 1
        yield "a face for float32, or of boxes that move", made, "REFUSED", "semantics"
    for place, answer in ((0.7, "ACCEPTED"), (0.8, "REFUSED")):
        made = moved(linear(), 0.25)
        made.put("least", np.full(4, -9.0))
        point = np.array([[place, 0.0, 0.0, 0.0]], np.float32)
        made.witnesses(point, [1], [0], [1.0])
        yield "a witness where boxes end", made, answer, None if answer == "ACCEPTED" else "claim"


def cases() -> Iterator[Case]:
    """Every certificate with its answer."""
    chain = [(0, 1), (1, 2), (1, 3)]
    made = ordered(exchanged(linear(), chain), [(0, 3)])
    made.claim("top-k", group=made.put("top", np.array([0, 1], np.int32)))
    yield "a chain of exchanges", made, "ACCEPTED", None
    made = ordered(exchanged(linear(), chain), [(2, 3)])
    yield "two that the chain does not compare", made, "REJECTED", None
    yield "a tie", exchanged(linear(), [(2, 3)]), "REJECTED", None
    made = ordered(exchanged(linear(), [(1, 0), (0, 3)]), [(1, 3)])
    yield "a chain with a pair that is not proved", made, "REJECTED", None
    made = exchanged(linear(("real", "float32")), [(0, 1)])
    yield "exchange for float32", made, "REFUSED", "semantics"
    overlapping = [[0, 1], [1, 2], [3], []]
    made = exchanged(linear(groups=overlapping), [(0, 1)])
    yield "exchange of groups that share an input", made, "REFUSED", "claim"
    made = exchanged(linear(groups=overlapping), [(0, 2)])
    yield "others share one", made, "ACCEPTED", None
    yield "a row that might matter", exchanged(two_rows(False), [(0, 1)]), "REJECTED", None
    yield "a row that cannot matter", exchanged(two_rows(True), [(0, 1)]), "ACCEPTED", None
    yield "a decision", decided(-1.0), "ACCEPTED", None
    yield "a decision by a bound of 0", decided(0.0), "REJECTED", None
    yield "a corner in float32", between(1.0 - 2.0**-23), "ACCEPTED", None
    yield "a corner outside the box", between(1.0), "REJECTED", None
    yield from moved_cases()
    yield from split_cases()
