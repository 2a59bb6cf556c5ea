"""Broken checkers, made by rule from the source: every one must be noticed.

Rules: drop an error term, flip or forget a rounding, swap the sides of an interval or of a
relaxation, skip a check, weaken a comparison. A mutant is named by its place and its rule.
"""

import ast
import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import verixplain.checker

HOME = Path(verixplain.checker.__file__).parent
ARITHMETIC = (
    "claims", "exchange", "faces", "gradients", "linear", "lines", "passes", "pieces", "regions",
    "rounding", "rows", "tree",
)  # fmt: skip
CHECKS = (
    "claims", "container", "gradients", "operators", "passes", "pieces", "rounding", "steps",
    "wire",
)  # fmt: skip
DROPPED = ("add_error", "add_executed", "add_constant", "add_rows", "clear_outside")
SUMS = (  # functions whose every sum is a bound: dropping either side must be noticed
    "Affine.forward", "Sum.forward", "State.append", "Sweep.reach", "Curved._intercept",
    "Curved._derivative", "Kinked.executed", "sigmoid", "Sweep.add_rows", "Sweep.add_constant",
)  # fmt: skip
SWAPS = {
    "up": "down", "down": "up", "maximum": "minimum", "minimum": "maximum", "max": "min",
    "min": "max", "argmax": "argmin",
}  # fmt: skip
SIDES = {
    "upper": "lower", "lower": "upper", "upper_slope": "lower_slope", "upper_at": "lower_at",
    "lower_slope": "upper_slope", "lower_at": "upper_at",
}  # fmt: skip
WEAKER = {ast.Lt: ast.LtE, ast.Gt: ast.GtE, ast.LtE: ast.GtE, ast.GtE: ast.LtE}


@dataclass(frozen=True)
class Mutant:
    """One changed module; `name` is `module.function: rule: source of the place`."""

    name: str
    module: str
    source: str


def _nothing() -> ast.stmt:
    return ast.Pass()


def _changes(node: ast.AST, where: str, module: str) -> Iterator[tuple[str, ast.AST]]:
    """What may be put in the place of a node, with the rule that says so."""
    called = ""
    if isinstance(node, ast.Call):
        called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        function = node.value.func
        name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
        asks = "attribute(" in ast.unparse(node)  # not asked for, it is refused as unknown
        if name == "need" and module in CHECKS and not asks:
            yield "skip the check", _nothing()
        if name in DROPPED and module in ARITHMETIC:
            yield "drop the term", _nothing()
    if module not in ARITHMETIC or where.endswith((".open", ".sentence", "._above")):
        return  # which neurons, which slopes: advice; and a sentence proves nothing
    if called in ("up", "down"):
        yield "forget the rounding", node.args[0]
    if called == "gamma":
        yield "no error at all", ast.Constant(0.0)
    if isinstance(node, ast.Name) and node.id in ("FLOOR", "UNIT", "UNIT32", "LIBRARY32"):
        if isinstance(node.ctx, ast.Load):
            yield "no error at all", ast.Constant(0.0)
    if isinstance(node, ast.Name) and node.id in SWAPS and isinstance(node.ctx, ast.Load):
        yield "the other way", ast.Name(SWAPS[node.id], ast.Load())
    if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
        other = SWAPS.get(node.attr) or SIDES.get(node.attr)
        if other:
            yield "the other way", ast.Attribute(node.value, other, ast.Load())
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add) and where in SUMS:
        yield "only the left of the sum", node.left
        yield "only the right of the sum", node.right
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and where != "sigmoid":
        if not isinstance(node.operand, ast.Constant):
            yield "forget the sign", node.operand
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in WEAKER:
        if module in ("claims", "faces", "regions", "tree"):
            operator = WEAKER[type(node.ops[0])]()
            yield "weaken", ast.Compare(node.left, [operator], node.comparators)


class _Places(ast.NodeVisitor):
    """Every node of a module with the class and function it is in."""

    def __init__(self) -> None:
        self.found: list[tuple[str, ast.AST, str, int | None]] = []
        self.path: list[str] = []

    def visit_scope(self, node) -> None:
        self.path.append(node.name)
        self.generic_visit(node)
        self.path.pop()

    visit_FunctionDef = visit_ClassDef = visit_scope  # noqa: N815 - names of ast

    def generic_visit(self, node: ast.AST) -> None:
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns", "decorator_list"):
                continue
            for place, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if isinstance(child, ast.AST):
                    self.found.append((".".join(self.path), node, name, place))
                    self.visit(child)


def mutants() -> Iterator[Mutant]:
    """Every mutant, in the order of the source."""
    for module in sorted(set(ARITHMETIC) | set(CHECKS)):
        source = (HOME / f"{module}.py").read_text()
        tree = ast.parse(source)
        places = _Places()
        places.visit(tree)
        seen: dict[str, int] = {}
        for where, parent, name, place in places.found:
            value = getattr(parent, name)
            child = value if place is None else value[place]
            if isinstance(parent, ast.Call) and ast.unparse(parent.func) == "gamma":
                continue  # how many terms: a count, not an error
            for rule, other in list(_changes(child, where, module)):
                label = f"{module}.{where}: {rule}: {ast.unparse(child)}"
                seen[label] = seen.get(label, 0) + 1
                label += f" #{seen[label]}" if seen[label] > 1 else ""
                _put(parent, name, place, other)
                yield Mutant(label, module, ast.unparse(ast.fix_missing_locations(tree)))
                _put(parent, name, place, child)


def _put(parent: ast.AST, name: str, place: int | None, child: ast.AST) -> None:
    if place is None:
        setattr(parent, name, child)
    else:
        getattr(parent, name)[place] = child


def load(mutant: Mutant, folder: Path, package: str) -> str:
    """Make the mutant importable beside the real checker; returns its package name."""
    folder.mkdir()
    for path in HOME.glob("*.py"):
        text = mutant.source if path.stem == mutant.module else path.read_text()
        (folder / path.name).write_text(text)
    spec = importlib.util.spec_from_file_location(
        package, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    found = importlib.util.module_from_spec(spec)
    sys.modules[package] = found
    spec.loader.exec_module(found)
    return package
