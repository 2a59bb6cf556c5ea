"""The checker runs where only Python and numpy are, as a process and as one file."""

import ast
import json
import subprocess
import sys
import zipapp
from pathlib import Path

import pytest

import verixplain

from .tampering import tampered

ROOT = Path(verixplain.__file__).parents[1]
CHECKER = ROOT / "verixplain" / "checker"
BLOCKED = ["torch", "auto_LiRPA", "onnx", "onnxruntime", "captum", "scipy", "matplotlib", "typer"]
PROGRAM = f"""
import sys
for name in {BLOCKED!r}:
    sys.modules[name] = None
from verixplain.checker.__main__ import main
code = main(sys.argv[1:])
mine = sorted(m for m in sys.modules if m.startswith("verixplain"))
assert all(m == "verixplain" or m.startswith("verixplain.checker") for m in mine), mine
sys.exit(code)
"""


@pytest.fixture
def files(tmp_path):
    model, good = tampered([])
    _, false = tampered([["add", "bound.real", 0, -1e-3]])
    _, malformed = tampered([["cut", 100]])
    (tmp_path / "m.onnx").write_bytes(model)
    for name, data in (("good", good), ("false", false), ("malformed", malformed)):
        (tmp_path / f"{name}.vxcert").write_bytes(data)
    return tmp_path


def run(*command) -> tuple[int, list[dict]]:
    done = subprocess.run(
        [sys.executable, *map(str, command)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert not done.stderr, done.stderr
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def test_it_runs_where_nothing_else_can_be_imported(files):
    code, answers = run("-c", PROGRAM, files / "m.onnx", files / "good.vxcert")
    assert (code, answers[0]["verdict"]) == (0, "ACCEPTED")


def test_one_process_serves_many_certificates_and_exits_with_the_worst(files):
    names = [files / f"{name}.vxcert" for name in ("good", "false", "malformed")]
    code, answers = run("-m", "verixplain.checker", files / "m.onnx", *names)
    assert code == 2
    assert [a["verdict"] for a in answers] == ["ACCEPTED", "REJECTED", "REFUSED"]
    assert run("-m", "verixplain.checker", files / "m.onnx", *names[:2])[0] == 1


def test_a_missing_file_is_refused(files):
    code, answers = run("-m", "verixplain.checker", files / "m.onnx", files / "nothing.vxcert")
    assert (code, answers[0]["verdict"]) == (2, "REFUSED")


def test_it_is_one_file_if_wanted(files, tmp_path):
    package = tmp_path / "app" / "verixplain_checker"
    package.mkdir(parents=True)
    for source in CHECKER.glob("*.py"):
        (package / source.name).write_bytes(source.read_bytes())
    start = "import sys\nfrom verixplain_checker.__main__ import main\nsys.exit(main())\n"
    (tmp_path / "app" / "__main__.py").write_text(start)
    zipapp.create_archive(tmp_path / "app", tmp_path / "checker.pyz")
    code, answers = run(tmp_path / "checker.pyz", files / "m.onnx", files / "good.vxcert")
    assert (code, answers[0]["verdict"]) == (0, "ACCEPTED")


def test_it_imports_nothing_but_numpy_and_the_standard_library():
    for path in CHECKER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 1, f"{path.name} imports from outside the folder"
            for name in names:
                top = name.split(".")[0]
                assert top == "numpy" or top in sys.stdlib_module_names, f"{path.name}: {name}"


def test_the_writer_knows_nothing_of_the_checker():
    """Reader and encoder are both written from FORMAT.md."""
    source = (ROOT / "verixplain" / "certificate" / "encode.py").read_text()
    assert "checker" not in source
    assert "tolerance" not in "".join(p.read_text() for p in CHECKER.glob("*.py"))
