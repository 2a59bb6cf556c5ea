"""What every method says about itself, from its class and its documentation."""

import inspect
import re
from dataclasses import fields
from typing import Any

from verixplain.attribution._base import Method
from verixplain.registry import methods


def catalogue(name: str | None = None) -> list[dict[str, Any]]:
    """Every method, or the one of a name, with its default settings.

    Raises:
        UnknownNameError: no such method; the message lists them.
    """
    return [_entry(methods[one]()) for one in ([name] if name else methods)]


def _entry(method: Method) -> dict[str, Any]:
    described: dict[str, str] = {}
    for base in reversed(type(method).__mro__):
        described |= _arguments(inspect.cleandoc(base.__dict__.get("__doc__") or ""))
    return {
        "name": method.name,
        "summary": " ".join((inspect.getdoc(type(method)) or "").split("\n\n")[0].split()),
        "needs": method.needs,
        "guarantee": method.guarantee,
        "cost": method.cost,
        "source": method.source,
        "sanity": method.sanity,
        "settings": [
            {
                "name": one.name,
                "default": getattr(method, one.name),
                "meaning": described.get(one.name, ""),
            }
            for one in fields(method)  # type: ignore[arg-type]
        ],
    }


def _arguments(text: str) -> dict[str, str]:
    """Names and meanings in a docstring's `Args:`; "a, b: meaning" stands for both."""
    lines = text.partition("Args:\n")[2].split("\n\n")[0].split("\n")
    found: dict[str, str] = {}
    names: list[str] = []
    for line in lines:
        start = re.match(r"    (\w[\w, ]*): (.*)", line)
        if start:
            names = start[1].split(", ")
            found |= dict.fromkeys(names, start[2])
        elif line.startswith("        "):
            found |= {name: f"{found[name]} {line.strip()}" for name in names}
    return found
