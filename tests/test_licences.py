"""Every package that is installed with verixplain may be used and shipped in any product."""

import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution

import pytest
from packaging.requirements import Requirement

PERMISSIVE = (
    "apache", "bsd", "mit", "isc", "psf", "python-2.0", "python software foundation", "hpnd",
    "historical permission notice", "mpl", "mozilla public license", "unlicense", "zlib", "0bsd",
    "bsl-1.0", "cc0", "public domain",
)  # fmt: skip
COPYLEFT = re.compile(r"\b(a?gpl|lgpl|gnu|eupl|sspl|cc-by-sa)", re.IGNORECASE)
BY_THEIR_TEXT = {"matplotlib": "PSF-based", "auto-lirpa": "BSD-3-Clause"}
"""Packages whose metadata names no licence in words; read in the file that they ship."""

CUDA = re.compile(r"^(nvidia-|cuda-|triton$)")
"""What torch's CUDA builds bring: not free software, but free to use, and not ours to ship."""

EXCEPTIONS = ("gcc-exception", "gcc runtime library exception", "gfortran")
"""numpy and scipy list the runtime of the compiler that built them; its exception covers us."""


def required(name: str = "verixplain") -> dict[str, Distribution]:
    """Everything that an installation of `name` without extras needs, by name."""
    found: dict[str, Distribution] = {}
    waiting = [(name, "")]
    while waiting:
        package, extra = waiting.pop()
        key = package.lower().replace("_", "-")
        try:
            installed = distribution(package)
        except PackageNotFoundError:
            continue  # another platform's, or a torch build that has it inside
        if key in found and not extra:
            continue
        found[key] = installed
        for line in installed.requires or []:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                waiting.append((requirement.name, ""))
                waiting += [(requirement.name, wanted) for wanted in requirement.extras]
    return found


def licence(package: Distribution) -> str:
    """What the metadata says, from the strictest kind of field to the loosest."""
    metadata = package.metadata
    expression = metadata.get("License-Expression")
    if expression:
        return expression
    kinds = [
        line.split("::")[-1].strip()
        for line in metadata.get_all("Classifier") or []
        if line.startswith("License ::") and line != "License :: OSI Approved"
    ]
    words = (metadata.get("License") or "").strip().splitlines()
    return "; ".join(kinds) or (words[0] if words else "")


PACKAGES = required()


def test_the_walk_finds_what_dependencies_need():
    assert {"numpy", "torch", "onnx", "sympy", "mpmath"} <= set(PACKAGES)


@pytest.mark.parametrize("name", [*sorted(PACKAGES), "auto-LiRPA"])
def test_a_required_package_is_permissive(name):
    try:
        found = licence(distribution(name)) or BY_THEIR_TEXT.get(name.lower(), "")
    except PackageNotFoundError:
        pytest.skip(f"{name} is not installed")
    if CUDA.match(name):
        return
    parts = [part for part in re.split(r"\s+AND\s+|;", found) if part.strip()]
    parts = [part for part in parts if not any(word in part.lower() for word in EXCEPTIONS)]
    assert parts, f"{name} states no licence"
    for part in parts:
        # a choice is as permissive as its best member
        choices = re.split(r"\s+OR\s+", part.strip(" ()"))
        free = [
            choice
            for choice in choices
            if any(word in choice.lower() for word in PERMISSIVE) and not COPYLEFT.search(choice)
        ]
        assert free, f"{name}: {part.strip()!r} in {found!r}"
