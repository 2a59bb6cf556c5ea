"""The shape of the package: who imports whom, and what importing it costs."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import verixplain

ROOT = Path(verixplain.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))


def test_the_import_contracts_hold():
    pytest.importorskip("importlinter")
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [linter, "--config", ROOT.parent / "pyproject.toml", "--no-cache"],
        capture_output=True,
        text=True,
        cwd=ROOT.parent,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def imported(path: Path) -> set[str]:
    """Names of the modules that a file imports, lazily or not, in words or by a string."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
        elif isinstance(node, ast.Call) and node.args:
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            first = node.args[0]
            if name in ("import_module", "__import__") and isinstance(first, ast.Constant):
                found.add(str(first.value))
    return found


def importers(package: str) -> set[str]:
    return {
        path.relative_to(ROOT).as_posix()
        for path in FILES
        if any(name == package or name.startswith(f"{package}.") for name in imported(path))
    }


def test_auto_lirpa_has_one_door():
    assert importers("auto_LiRPA") == {"bounds/_lirpa.py"}


def test_pictures_have_one_place_and_leave_pyplot_alone():
    assert not {p for p in importers("matplotlib") if not p.startswith("report/figures/")}
    assert not importers("matplotlib.pyplot")


def test_only_the_loader_knows_onnx():
    outside = {path for path in importers("onnx") if not path.startswith(("network/", "vnnlib/"))}
    assert not outside


def test_nobody_imports_the_checker():
    assert not {p for p in importers("verixplain.checker") if not p.startswith("checker/")}


def test_the_public_names_are_few_and_importing_them_is_lazy():
    assert len(verixplain.__all__) <= 16
    program = (
        "import sys, verixplain\n"
        "print([m for m in ('torch', 'onnx', 'numpy', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize("name", sorted(verixplain.__all__))
def test_every_public_name_is_there(name):
    assert getattr(verixplain, name) is not None


def test_a_name_that_is_not_public_is_no_attribute():
    with pytest.raises(AttributeError, match="no attribute 'Explainer'"):
        _ = verixplain.Explainer


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_module_is_called_after_what_it_is_not(path):
    assert path.stem not in {"utils", "helpers", "misc", "common", "util", "helper"}


@pytest.mark.parametrize("package", ["attribution", "bounds.methods", "metrics"])
def test_the_choices_are_the_files_and_each_announces_itself(package):
    from verixplain.registry import Registry

    registry = Registry("part", f"verixplain.{package}")
    module = import_module(f"verixplain.{package}")
    files = {path.stem.replace("_", "-") for path in Path(module.__path__[0]).glob("[!_]*.py")}
    assert set(registry) == files
