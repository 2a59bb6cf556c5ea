"""The declarations of both versions, and with them the whole query."""

import re
from math import prod
from pathlib import Path

from verixplain.errors import QueryError, UnsupportedQueryError
from verixplain.vnnlib.normal import Name, Reader
from verixplain.vnnlib.specification import Specification, Variable
from verixplain.vnnlib.syntax import Form, Text

VERSIONS = ("1.0", "2.1")
"""The oldest and the newest that are read."""

TYPES = {"float16", "float32", "float64", "bfloat16", "real"}
"""Element types that a declaration can have here; `real` and those that the model really has."""

MOST_NUMBERS = 2**24
"""Of one declared tensor."""

_OLD_NAME = re.compile(r"([XY])_(\d{1,8})")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_INDEXED = re.compile(r"([A-Za-z][A-Za-z0-9_]*)(?:\[([0-9,]*)\])?")
_IGNORED = ("set-logic", "set-info", "set-option", "check-sat", "get-model", "exit")


def read(path: str | Path) -> Specification:
    """The query in a file (.vnnlib or .vnnlib.gz), of either version.

    Raises:
        QueryError: the file cannot be read, or is no VNN-LIB query; says the line.
        UnsupportedQueryError: a theory that is not supported.
    """
    return parse(Text.read(path))


def parse(text: Text | str) -> Specification:
    """The query in a text; see `read`."""
    text = Text(text) if isinstance(text, str) else text
    forms = text.forms()
    if not forms:
        raise QueryError(f"{text.name} is empty: no declaration, no assertion")
    for form in forms:
        if not form or not isinstance(form[0], str):
            text.refuse("a statement begins with a word", form)
    second = any(form[0] in ("vnnlib-version", "declare-network") for form in forms)
    return _second(text, forms) if second else _first(text, forms)


def _first(text: Text, forms: list[Form]) -> Specification:
    """Version 1: X_0 ..., Y_0 ... declared one by one."""
    numbers: dict[str, set[int]] = {"X": set(), "Y": set()}
    assertions = []
    for form in forms:
        word = form[0]
        if word in ("declare-const", "declare-fun"):
            _declare(text, form, numbers)
        elif word == "assert":
            assertions.append(form)
        elif word not in _IGNORED:
            text.refuse(f"no statement {word!r}; there are declare-const and assert", form)
    sizes = {}
    for letter, found in numbers.items():
        if found != set(range(len(found))) or not found:
            raise QueryError(
                f"{text.name} declares {len(found)} variables {letter}_i; expected are "
                f"{letter}_0, {letter}_1, ... without gaps"
            )
        sizes[letter] = len(found)

    def resolve(word: str, form: Form) -> Name | None:
        match = _OLD_NAME.fullmatch(word)
        if match is None or int(match[2]) >= sizes[match[1]]:
            return None
        return ("input" if match[1] == "X" else "output"), int(match[2])

    regions = Reader(text, resolve, sizes["X"]).regions(assertions)
    tensors = [Variable(letter, "real", (sizes[letter],)) for letter in "XY"]
    return Specification((1, 0), "", tensors[0], tensors[1], regions)


def _declare(text: Text, form: Form, numbers: dict[str, set[int]]) -> None:
    words = [part for part in form[1:] if part != []]
    if len(words) != 2 or not isinstance(words[0], str) or words[1] != "Real":
        text.refuse("a declaration is (declare-const NAME Real)", form)
    match = _OLD_NAME.fullmatch(words[0])
    if match is None:
        text.refuse(
            f"{words[0]!r} is declared; inputs are X_0, X_1, ... and outputs Y_0, ...", form
        )
    if int(match[2]) in numbers[match[1]]:
        text.refuse(f"{words[0]!r} is declared twice", form)
    numbers[match[1]].add(int(match[2]))


def _second(text: Text, forms: list[Form]) -> Specification:
    """Version 2: one network with one input and one output tensor."""
    version = _version(text, forms[0])
    networks = [form for form in forms[1:] if form[0] == "declare-network"]
    assertions = [form for form in forms[1:] if form[0] == "assert"]
    for form in forms[1:]:
        if form[0] not in ("declare-network", "assert"):
            text.refuse(f"no statement {form[0]!r}; there are declare-network and assert", form)
    order = [form[0] for form in forms[1:]]
    if not networks or order != sorted(order, reverse=True):
        text.refuse("first the networks are declared, then come the assertions", forms[0])
    if not assertions:
        raise QueryError(f"{text.name} asserts nothing")
    if len(networks) > 1:
        text.refuse("several networks; one is supported (SNET)", networks[1], unsupported=True)
    name, given, output = _network(text, networks[0])

    def resolve(word: str, form: Form) -> Name | None:
        match = _INDEXED.fullmatch(word)
        for kind, tensor in (("input", given), ("output", output)):
            if match is not None and match[1] == tensor.name:
                return kind, _flat(text, form, word, match[2], tensor)
        return None

    regions = Reader(text, resolve, given.size).regions(assertions)
    return Specification(version, name, given, output, regions)


def _version(text: Text, form: Form) -> tuple[int, int]:
    match = None
    if form[0] == "vnnlib-version" and len(form) == 2 and isinstance(form[1], str):
        match = re.fullmatch(r"<(\d{1,4})\.(\d{1,4})>", form[1])
    if match is None:
        text.refuse("a query begins with (vnnlib-version <MAJOR.MINOR>)", form)
    version = int(match[1]), int(match[2])
    newest = tuple(map(int, VERSIONS[1].split(".")))
    if version[0] != 2 or version > newest:
        raise UnsupportedQueryError(
            f"{text.name} is of VNN-LIB {version[0]}.{version[1]}; supported are {VERSIONS[0]} to "
            f"{VERSIONS[1]}"
        )
    return version


def _network(text: Text, form: Form) -> tuple[str, Variable, Variable]:
    """The network's name, its input and its output."""
    if len(form) < 2 or not isinstance(form[1], str) or not _NAME.fullmatch(form[1]):
        text.refuse("a network has a name: letters, digits and underscores", form)
    found: dict[str, list[Variable]] = {"declare-input": [], "declare-output": []}
    for part in form[2:]:
        if not isinstance(part, Form) or not part or not isinstance(part[0], str):
            text.refuse("inside a network stand declare-input and declare-output", form)
        if part[0] == "declare-hidden":
            text.refuse("hidden nodes (H) are not supported", part, unsupported=True)
        if part[0] in ("equal-to", "isomorphic-to"):
            text.refuse(f"{part[0]}: one network is supported (SNET)", part, unsupported=True)
        if part[0] not in found:
            text.refuse(f"no statement {part[0]!r} inside a network", part)
        found[part[0]].append(_tensor(text, part))
    for kind, tensors in found.items():
        if not tensors:
            text.refuse(f"the network has no {kind}", form)
        if len(tensors) > 1:
            words = f"{len(tensors)} of {kind}; one input and one output are supported (SIO)"
            text.refuse(words, form, unsupported=True)
    given, output = found["declare-input"][0], found["declare-output"][0]
    if len({form[1], given.name, output.name}) < 3:
        text.refuse("networks and variables must have different names", form)
    return form[1], given, output


def _tensor(text: Text, form: Form) -> Variable:
    words = list(form[1:])
    if words and words[-1] == "initialized":
        words.pop()
    shape = words[2] if len(words) == 3 else None
    if not all(isinstance(word, str) for word in words) or shape is None:
        text.refuse(f"a tensor is ({form[0]} NAME TYPE [N,N,...])", form)
    name, kind = words[0], words[1]
    if not _NAME.fullmatch(name) or not re.fullmatch(r"\[(\d{1,9}(,\d{1,9})*)?\]", shape):
        text.refuse(f"a tensor is ({form[0]} NAME TYPE [N,N,...])", form)
    kind = "real" if kind == "Real" else kind
    if kind not in TYPES:
        text.refuse(f"element type {kind!r} is not supported", form, unsupported=True)
    sizes = tuple(int(part) for part in shape[1:-1].split(",") if part)
    if prod(sizes) > MOST_NUMBERS or 0 in sizes:
        text.refuse(f"a tensor of shape {shape}; 1 to {MOST_NUMBERS:,} numbers", form)
    return Variable(name, kind, sizes)


def _flat(text: Text, form: Form, word: str, index: str | None, tensor: Variable) -> int:
    """The flat index of `X[i,j]`."""
    try:
        places = [int(part) for part in index.split(",")] if index is not None else []
    except ValueError:
        text.refuse(f"{word!r}: an index is numbers with commas between", form)
    inside = len(places) == len(tensor.shape) and all(
        place < size for place, size in zip(places, tensor.shape, strict=True)
    )
    if not inside:
        text.refuse(f"{word!r}: {tensor.name} has shape {list(tensor.shape)}", form)
    flat = 0
    for place, size in zip(places, tensor.shape, strict=True):
        flat = flat * size + place
    return flat
