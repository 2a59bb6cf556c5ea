"""How parts get names.

A part (an attribution, a bound method, a command) is one file in its package, and the file's
name is the part's name with dashes for underscores; a word that Python keeps for itself has an
underscore behind it (`class_.py`). So the choices are the file names, and listing them imports
nothing.
"""

from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from keyword import iskeyword
from pathlib import Path
from typing import Any, TypeVar

from verixplain.errors import NameTakenError, UnknownNameError

Part = TypeVar("Part")


class Registry:
    """The parts of one package, by name; a part is imported when it is first asked for.

    Args:
        kind: what a part is called in messages, such as "bound method".
        package: the package that holds one module per part; modules starting with an
            underscore are no parts.
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind, self.package = kind, package
        self._parts: dict[str, Any] = {}

    def add(self, part: Part) -> Part:
        """Announce the part of the module that calls this (a decorator)."""
        name = part_name(part.__module__)  # type: ignore[attr-defined]
        if self._parts.get(name, part) is not part:
            raise NameTakenError(
                f"two {self.kind}s are called {name!r}: {self._parts[name]} and {part}"
            )
        self._parts[name] = part
        return part

    def __iter__(self) -> Iterator[str]:
        """Every name, sorted, without importing a part."""
        root, *inner = self.package.split(".")
        spec = find_spec(root)  # of an inner package it would import every package above it
        places = (spec.submodule_search_locations or []) if spec else []
        files = {path.stem for place in places for path in Path(place, *inner).glob("*.py")}
        return iter(sorted(part_name(file) for file in files if not file.startswith("_")))

    def __getitem__(self, name: str) -> Any:
        if name not in set(self):
            raise UnknownNameError(f"no {self.kind} {name!r}; there are: {', '.join(self)}")
        file = name.replace("-", "_") + "_" * iskeyword(name)
        import_module(f"{self.package}.{file}")
        return self._parts[name]


def part_name(module: str) -> str:
    """The name of the part that a module or file holds."""
    return module.rsplit(".", 1)[-1].rstrip("_").replace("_", "-")


methods = Registry("method", "verixplain.attribution")
bound_methods = Registry("bound method", "verixplain.bounds.methods")
claim_kinds = Registry("kind of claim", "verixplain.certify.kinds")
metrics = Registry("metric", "verixplain.metrics")
checks = Registry("sanity check", "verixplain.sanity")
