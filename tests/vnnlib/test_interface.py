"""The command line that VNN-LIB 2 prescribes, chapter 5."""

import re
import subprocess
import sys
import time

import numpy as np
import onnx
import pytest
from networks import mlp

from verixplain import __version__, cli
from verixplain.vnnlib.assignment import decimal
from verixplain.vnnlib.supports import CAPABILITIES, FOLDED, OPSETS, PARTLY, operators

QUERY = """(vnnlib-version <2.0>)
(declare-network net (declare-input A real [1,2]) (declare-output B real [1,3]))
(assert (and (>= A[0,0] -1) (<= A[0,0] 0.3) (>= A[0,1] -1) (<= A[0,1] 0.3)))
(assert CONDITION)
"""
SAT, UNSAT = "(>= B[0,0] -1000)", "(>= B[0,0] 1000)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("queries")
    onnx.save(mlp((2, 6, 3)), place / "net.onnx")
    for name, condition in (("sat", SAT), ("unsat", UNSAT)):
        (place / f"{name}.vnnlib").write_text(QUERY.replace("CONDITION", condition))
    return place


@pytest.fixture
def verify(capsys):
    def run(*words):
        code = cli.execute(["verify", *map(str, words)])
        said = capsys.readouterr()
        return code, said.out.splitlines(), said.err

    return run


def network(folder, name="net"):
    return f"{name}={folder / 'net.onnx'}"


def test_sat_prints_the_assignment(folder, verify):
    code, lines, _ = verify(folder / "sat.vnnlib", "--network", network(folder))
    assert (code, lines[0]) == (0, "sat")
    assert lines[1] == "A real [1,2]"
    assert lines[4] == "B real [1,3]"
    assert len(lines) == 8
    numbers = [line for k, line in enumerate(lines[1:]) if k not in (0, 3)]
    assert all(re.fullmatch(r"-?\d+\.\d+", line) for line in numbers)


def test_version_one_prints_what_the_competition_reads(folder, verify, tmp_path):
    declared = "".join(f"(declare-const {n} Real)" for n in ("X_0", "X_1", "Y_0", "Y_1", "Y_2"))
    box = "".join(f"(assert (>= X_{k} -1))(assert (<= X_{k} 1))" for k in (0, 1))
    (tmp_path / "q.vnnlib").write_text(declared + box + "(assert (>= Y_0 -1000))")
    _, lines, _ = verify(tmp_path / "q.vnnlib", "--network", network(folder, "any"))
    assert lines[0] == "sat"
    pairs = re.findall(r"\((\w+)\s+(-?[\d.]+)\)", " ".join(lines[1:]))
    assert [name for name, _ in pairs] == ["X_0", "X_1", "Y_0", "Y_1", "Y_2"]


def test_unsat_is_one_line_and_everything_else_is_said_elsewhere(folder, verify):
    code, lines, errors = verify(folder / "unsat.vnnlib", "--network", network(folder))
    assert (code, lines) == (0, ["unsat"])
    assert "decided by" in errors


def test_assignments_as_files(folder, verify, tmp_path):
    words = ("--network", network(folder), "--serialise-assignments", tmp_path / "out")
    assert verify(folder / "sat.vnnlib", *words)[1] == ["sat"]
    tensors = {}
    for path in sorted((tmp_path / "out").iterdir()):
        proto = onnx.TensorProto()
        proto.ParseFromString(path.read_bytes())
        tensors[path.name] = onnx.numpy_helper.to_array(proto)
    assert {name: array.shape for name, array in tensors.items()} == {
        "A.pb": (1, 2),
        "B.pb": (1, 3),
    }


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--network", "other=net.onnx"),
        ("--network", "net=a.onnx", "--network", "other=b.onnx"),
        ("--network", "net=a.onnx", "--network", "net=b.onnx"),
        ("--network", "net"),
        ("--network", "net=missing.onnx"),
    ],
)
def test_wrong_networks_are_errors(folder, verify, words):
    code, lines, errors = verify(folder / "sat.vnnlib", *words)
    assert code in (2, 4)
    assert lines == []
    assert errors


def test_the_time_is_kept_by_a_process_that_looks_at_nothing(folder, tmp_path):
    """A query that cannot be decided by then, though the first step alone may take longer."""
    slow = (folder / "sat.vnnlib").read_text().replace(SAT, "(== B[0,0] 0.1234567)")
    (tmp_path / "slow.vnnlib").write_text(slow)
    words = [tmp_path / "slow.vnnlib", "--network", network(folder), "--timeout", "1"]
    program = f"from verixplain.cli import main; main({['verify', *map(str, words)]!r})"
    begin = time.monotonic()
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.splitlines()[0] in ("timed-out", "unknown")
    assert done.returncode == 0
    assert time.monotonic() - begin < 60


def test_parse_errors_and_capabilities_import_no_torch(tmp_path):
    (tmp_path / "bad.vnnlib").write_text("(assert")
    for words in (["verify", str(tmp_path / "bad.vnnlib")], ["supports", "--onnx-operators"]):
        program = (
            "import sys\nfrom verixplain.cli import execute\n"
            f"code = execute({words!r})\n"
            "print(code, 'torch' in sys.modules, file=sys.stderr)"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        assert done.stderr.splitlines()[-1].endswith("False")


def test_global_options(capsys):
    assert cli.execute(["--version"]) == 0
    assert capsys.readouterr().out == f"{__version__}\n"
    assert cli.execute(["--name"]) == 0
    assert capsys.readouterr().out == "verixplain\n"


@pytest.mark.parametrize("capability", CAPABILITIES)
def test_every_capability_is_answered(capability, capsys):
    assert cli.execute(["supports", f"--{capability}"]) == 0
    said = capsys.readouterr().out
    assert said == "".join(f"{line}\n" for line in CAPABILITIES[capability]())
    assert said.strip()


def test_supports_wants_one_capability(capsys):
    assert cli.execute(["supports"]) == 2
    assert cli.execute(["supports", "--onnx-operators", "--vnnlib-versions"]) == 2
    capsys.readouterr()


def test_what_is_reported_is_what_there_is():
    from verixplain.network.load import OLDEST_OPSET
    from verixplain.network.operators import _table

    boundless = set(_table.names()) - set(operators()) - PARTLY
    plain = _table.Operator.lower
    assert all(type(_table.at(name, OPSETS[1])).lower is plain for name in boundless)
    assert set(operators()) - set(_table.names()) == set(FOLDED)
    assert OPSETS[0] == OLDEST_OPSET
    assert OPSETS[1] <= onnx.defs.onnx_opset_version()


@pytest.mark.parametrize(
    ("value", "text"),
    [("0", "0.0"), ("-1/2", "-0.5"), ("3", "3.0"), ("-0.001", "-0.001"), ("1e-7", "0.0000001")],
)
def test_decimals(value, text):
    from fractions import Fraction

    assert decimal(Fraction(value)) == text


def test_decimals_are_exact():
    from fractions import Fraction

    for value in np.random.default_rng(0).normal(size=200).astype("f4"):
        assert Fraction(decimal(Fraction(float(value)))) == Fraction(float(value))
