"""What the solver says it can do, capability by capability; nothing heavy is imported for it."""

import ast
from collections.abc import Callable
from pathlib import Path

from verixplain.vnnlib.parse import VERSIONS

OPSETS = (7, 26)
"""The oldest that is loaded, and the newest whose operators ONNX's own cases were run for."""


FOLDED = ("Constant", "ConstantOfShape")
"""Operators whose result never varies; they are computed while loading."""

PARTLY = {"Cast", "Where"}
"""Not reported: only casts between float types, and only constant conditions, have bounds."""


def operators() -> list[str]:
    """Every ONNX operator that has bounds, read from the operators' files without running them."""
    folder = Path(__file__).parent.parent / "network" / "operators"
    found: set[str] = set(FOLDED)
    for path in folder.glob("[!_]*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "converts":
                found |= {str(arg.value) for arg in node.args if isinstance(arg, ast.Constant)}
    return sorted(found - PARTLY)


CAPABILITIES: dict[str, Callable[[], list[str]]] = {
    "onnx-opset-versions": lambda: [str(number) for number in OPSETS],
    "onnx-element-types": lambda: ["real"],
    "onnx-operators": operators,
    "vnnlib-versions": lambda: list(VERSIONS),
    "hidden-node-theories": lambda: ["NH"],
    "multiple-input-output-theories": lambda: ["SIO"],
    "multiple-network-theories": lambda: ["SNET"],
    "multiple-node-comparison-theories": lambda: ["SNC", "MNC"],
    "arithmetic-complexity-theories": lambda: ["BND", "OUTC", "LIN"],
    "optimised-disjunctive-reasoning": lambda: ["false"],
    "serialise-assignments": lambda: ["true"],
}
"""Flag of `supports` -> the lines it prints (VNN-LIB 2, chapter 5)."""
