"""Answers held against networks whose answer is known, and against the competition's verdicts."""

import csv
from fractions import Fraction

import numpy as np
import onnx
import pytest
from networks import loaded, mlp, model
from onnx import helper
from oracle import by_integers

from verixplain.errors import QueryError
from verixplain.query import Box, Target
from verixplain.vnnlib.deadline import Deadline
from verixplain.vnnlib.model import check_fits, load_for
from verixplain.vnnlib.parse import parse, read
from verixplain.vnnlib.rows import Rows, down, up
from verixplain.vnnlib.solve import solve


def query(condition, inputs=2, outputs=1, low="-1", high="1", kind="real"):
    box = "".join(f"(assert (and (>= X[0,{k}] {low}) (<= X[0,{k}] {high})))" for k in range(inputs))
    return parse(
        f"(vnnlib-version <2.0>)(declare-network N (declare-input X {kind} [1,{inputs}])"
        f"(declare-output Y {kind} [1,{outputs}])){box}(assert {condition})"
    )


def absolute(scale=1.0):
    """|x_0 - x_1| * scale, as two ReLUs: its range over [-1, 1]^2 is [0, 2 scale]."""
    constants = {
        "w": np.array([[1, -1], [-1, 1]], "f4"),
        "v": np.array([[scale, scale]], "f4").T,
    }
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("MatMul", ["b", "v"], ["y"]),
    ]
    return loaded(model(nodes, constants, ("batch", 2)))


@pytest.mark.parametrize(
    ("condition", "verdict"),
    [
        ("(>= Y[0,0] 2.001)", "unsat"),
        ("(>= Y[0,0] 1.999)", "sat"),
        ("(<= Y[0,0] -0.001)", "unsat"),
        ("(and (>= Y[0,0] 0.5) (<= Y[0,0] 0.6))", "sat"),
        ("(and (>= Y[0,0] 0.5) (<= Y[0,0] 0.4))", "unsat"),
        ("(or (>= Y[0,0] 2.1) (<= Y[0,0] -0.1))", "unsat"),
        ("(or (>= Y[0,0] 2.1) (<= Y[0,0] 0.1))", "sat"),
        ("(and (>= Y[0,0] 1.5) (<= X[0,0] 0.0) (<= X[0,1] 0.2))", "unsat"),
        ("(and (>= Y[0,0] 1.1) (<= X[0,0] 0.0) (<= X[0,1] 0.2))", "sat"),
        ("(>= (- Y[0,0] X[0,0] (* -1 X[0,1])) 2.1)", "sat"),
        ("(>= (- Y[0,0] X[0,0] (* -1 X[0,1])) 4.1)", "unsat"),
        ("(>= (+ X[0,0] X[0,1]) 2.1)", "unsat"),
        ("(> X[0,0] 1.0)", "unsat"),
        ("(>= 1 0)", "sat"),
        ("(>= 0 1)", "unsat"),
    ],
)
def test_a_network_that_is_an_absolute_value(condition, verdict):
    found = solve(query(condition), absolute(), Deadline(20))
    assert found.verdict == verdict
    assert (found.witness is not None) == (verdict == "sat")


def test_a_witness_is_in_the_box_and_onnx_runtime_confirms_it():
    specification = query("(and (>= Y[0,0] 1.2) (<= Y[0,0] 1.3))", low="-0.9", high="0.7")
    network = absolute()
    witness = solve(specification, network, Deadline(20)).witness
    region = specification.regions[0]
    ends = zip(region.lower, witness.exact, region.upper, strict=True)
    assert all(low <= value <= high for low, value, high in ends)
    assert np.array_equal(np.array([float(v) for v in witness.exact], "f4"), witness.point)
    outputs = network.run_onnx(witness.point[None])[0]
    assert np.array_equal(outputs, witness.outputs)
    assert 1.2 <= outputs[0] <= 1.3


def test_an_empty_box_has_no_counterexample():
    text = query("(and (>= X[0,0] 0.5) (<= X[0,0] 0.4) (>= Y[0,0] -100))")
    assert solve(text, absolute(), Deadline(20)).verdict == "unsat"


def test_of_a_float_type_only_counterexamples_are_claimed():
    network = absolute()
    assert solve(query("(>= Y[0,0] 1.9)", kind="float32"), network, Deadline(20)).verdict == "sat"
    found = solve(query("(>= Y[0,0] 2.5)", kind="float32"), network, Deadline(20))
    assert found.verdict == "unknown"
    assert "declare real" in found.notes[-1]


def test_what_is_true_in_float32_alone_is_not_sat_in_real_arithmetic():
    """2^-24 vanishes beside 1 in float32: y = (x + 1) - 1 is 0 there, but never in the reals."""
    nodes = [
        helper.make_node("Add", ["x", "one"], ["a"]),
        helper.make_node("Sub", ["a", "one"], ["y"]),
    ]
    network = loaded(model(nodes, {"one": np.array([1], "f4")}, ("batch", 1)))
    small = {"low": "0.00000001", "high": "0.00000002", "inputs": 1}
    real = solve(query("(<= Y[0,0] 0)", **small), network, Deadline(5))
    assert real.verdict == "unsat"
    assert solve(query("(<= Y[0,0] 0)", kind="float32", **small), network).verdict == "sat"


@pytest.mark.parametrize("seed", range(6))
def test_random_networks_never_contradict_a_dense_grid(seed):
    network = loaded(mlp((2, 6, 6, 3), seed=seed))
    axis = np.linspace(-1, 1, 101, dtype="f4")
    grid = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    margin = network(grid)
    margin = margin[:, 0] - margin[:, 1]
    for share in (0.9, 1.05, 1.5):
        edge = float(margin.mean() + share * (margin.max() - margin.mean()))
        condition = f"(>= (- Y[0,0] Y[0,1]) {edge:.9f})"
        found = solve(query(condition, outputs=3), network, Deadline(20))
        assert found.verdict in ("sat", "unsat")
        if (margin >= edge + 1e-5).any():
            assert found.verdict == "sat"
        if share == 1.5:
            assert found.verdict == "unsat"


def test_many_inputs_are_decided_by_splitting_neurons():
    network = loaded(mlp((60, 8, 6, 1), seed=3))
    box = Box(np.zeros(60), -np.ones(60) / 4, np.ones(60) / 4)
    most = by_integers(network, box, Target.rows(np.ones((1, 1)))).value
    asked = query(f"(>= Y[0,0] {most + 0.01})", 60, low="-0.25", high="0.25")
    found = solve(asked, network)
    assert (found.verdict, found.how) == ("unsat", "branch and bound on phases")
    asked = query(f"(>= Y[0,0] {most - 0.01})", 60, low="-0.25", high="0.25")
    assert solve(asked, network).verdict == "sat"


def test_time_runs_out():
    network = loaded(mlp((2, 40, 40, 3), seed=1))
    outputs = network(np.random.default_rng(0).uniform(-1, 1, (5000, 2)).astype("f4"))
    edge = float((outputs[:, 0] - outputs[:, 1]).max()) + 0.01
    found = solve(query(f"(>= (- Y[0,0] Y[0,1]) {edge:.6f})", outputs=3), network, Deadline(0.0))
    assert found.verdict == "timed-out"


def test_softmax_is_part_of_a_query(tmp_path):
    nodes = [helper.make_node("Softmax", ["x"], ["y"], axis=1)]
    path = tmp_path / "m.onnx"
    onnx.save(model(nodes, {}, ("batch", 2)), path)
    specification = query("(or (< Y[0,0] -0.001) (> Y[0,0] 1.001))", outputs=2, low="-9", high="9")
    network = load_for(specification, path)
    assert network.stripped is None
    assert solve(specification, network, Deadline(20)).verdict == "unsat"
    sat = query("(>= Y[0,0] 0.99)", outputs=2, low="-9", high="9")
    assert solve(sat, network, Deadline(20)).verdict == "sat"


@pytest.mark.parametrize(
    ("asked", "match"),
    [
        ({"inputs": 3}, r"X is declared with shape \[1, 3\]"),
        ({"outputs": 2}, r"Y is declared with shape \[1, 2\]"),
        ({"kind": "float64"}, "computes in float32"),
    ],
)
def test_a_network_that_is_not_the_declared_one_is_refused(asked, match):
    with pytest.raises(QueryError, match=match):
        check_fits(query("(>= Y[0,0] 1)", **asked), absolute())


def test_rounding_goes_the_safe_way():
    third = Fraction(1, 3)
    assert Fraction(down(third)) < third < Fraction(up(third))
    assert down(Fraction(1, 4)) == up(Fraction(1, 4)) == 0.25
    region = query("(and (>= Y[0,0] 0.1) (>= (* 0.1 Y[0,0]) 0.7))").regions[0]
    rows = Rows(region, 2, 1)
    assert rows.coefficients.tolist() == [[1.0], [1.0]]
    below, above = np.array([[rows.below[0]] * 2]), np.array([[7.0, 7.0]])
    assert rows.excluded(below, below).tolist() == [[False, True]]
    assert rows.included(above, above).tolist() == [[True, True]]


FAST = {  # benchmark: rows of verdicts.tsv that are decided in a second or two
    "acasxu": ("prop_4", "prop_7"),
    "safenlp_ruarobot": ("hyperrectangle_3607", "hyperrectangle_2344"),
    "mnistfc": ("prop_2_0.03", "prop_1_0.05"),
    "eran_sigmoid": ("7167", "7827"),
    "marabou_cifar10": ("index1556",),
    "oval21": ("img590",),
}


@pytest.mark.data
@pytest.mark.parametrize("benchmark", FAST)
def test_no_answer_contradicts_the_competition(data, benchmark):
    with (data / "specs" / "verdicts.tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    for part in FAST[benchmark]:
        row = next(r for r in rows if f"/{benchmark}/" in r["spec"] and part in r["spec"])
        specification = read(data / row["spec"])
        network = load_for(specification, data / row["model"])
        found = solve(specification, network, Deadline(4))
        assert {found.verdict, row["verdict"]} != {"sat", "unsat"}, row["spec"]
