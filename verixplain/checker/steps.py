"""The whole check as numbered steps. Any step that fails, for whatever reason, refuses."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from math import prod
from typing import Any, cast

import numpy as np

from .claims import Claim, Facts, Prover, Question, Reader
from .container import Tensors, read_certificate
from .lines import Curved, Kinked
from .operators import Network, build
from .passes import ROWS, TREE, Bounder, Recipe, Slopes
from .pieces import Activation
from .reasons import (
    MOST_CLAIMS,
    MOST_GROUPS,
    MOST_LEAVES,
    MOST_MODEL_BYTES,
    MOST_NUMBERS,
    MOST_ROUNDS,
    Reason,
    Refusal,
    need,
)
from .regions import Region
from .rounding import Array
from .tree import Tree, covers
from .wire import read_model

FORMAT = "vxcert/1"
RECIPE = {"refine", "slopes", "faces", "tree"}
SEMANTICS = (("real",), ("real", "float32"))
MEANING = {
    "real": "the network of the ONNX file over the real numbers",
    "float32": "every float32 execution of the ONNX file: any order of summation, with or "
    "without fused multiply-add and flush-to-zero",
}
NOT_COVERED = (
    "preprocessing outside the ONNX file; and, for float32: Winograd and FFT convolutions, TF32, "
    "bfloat16, float16, and graph rewrites that change weights"
)


@dataclass
class Evidence:
    """What the steps have found so far."""

    model: bytes
    certificate: bytes
    asked: str | None
    manifest: dict[str, Any] = field(default_factory=dict)
    tensors: Tensors = field(default_factory=lambda: Tensors({}))
    semantics: tuple[str, ...] = ()
    network: Network = field(init=False)
    question: Question = field(init=False)
    recipe: Recipe = field(default_factory=Recipe)
    claims: list[tuple[str, Claim]] = field(default_factory=list)
    facts: dict[str, Facts] = field(default_factory=dict)
    proved: list[dict] = field(default_factory=list)
    backward_rows: int = 0


@dataclass(frozen=True)
class Verdict:
    """ACCEPTED, REJECTED or REFUSED, and everything a reader may be told."""

    answer: str
    report: dict[str, Any]
    reason: Reason | None = None

    def __bool__(self) -> bool:
        raise TypeError("a verdict is not true or false; compare its answer")


def is_a_certificate(e: Evidence) -> None:
    """The bytes are a container of this format with exactly the known keys."""
    need(0 < len(e.model) <= MOST_MODEL_BYTES, Reason.TOO_LARGE, "model file")
    e.manifest, e.tensors = read_certificate(e.certificate)
    need(e.manifest.get("format") == FORMAT, Reason.MANIFEST, f"the format is not {FORMAT}")
    keys = {"format", "model_sha256", "semantics", "region", "rows", "groups", "recipe", "claims"}
    extra = set(e.manifest) - keys - {"producer"}
    need(keys <= set(e.manifest) and not extra, Reason.MANIFEST, f"keys {sorted(e.manifest)}")


def names_this_model(e: Evidence) -> None:
    """The certificate is about these bytes; the model is parsed only after that."""
    digest = hashlib.sha256(e.model).hexdigest()
    need(e.manifest["model_sha256"] == digest, Reason.OTHER_MODEL, f"this model is {digest}")


def says_which_arithmetic(e: Evidence) -> None:
    """The semantics are known, and the one asked for is among them."""
    named = e.manifest["semantics"]
    known = isinstance(named, list) and any(named == list(one) for one in SEMANTICS)
    need(known, Reason.SEMANTICS, f"semantics {named!r}")
    e.semantics = tuple(named)
    asked = e.asked is None or e.asked in e.semantics
    need(asked, Reason.SEMANTICS, f"nothing is claimed for {e.asked}")


def model_is_understood(e: Evidence) -> None:
    """Every node of the model is known here."""
    e.network = _network(e.model)


@lru_cache(maxsize=1)
def _network(model: bytes) -> Network:
    return build(read_model(model))


def _entry(value: Any, keys: set[str], reason: Reason) -> dict[str, Any]:
    need(isinstance(value, dict) and set(value) == keys, reason, f"needs exactly {sorted(keys)}")
    return value


def region_and_rows_fit(e: Evidence) -> None:
    """The center lies in the box; rows and groups fit the model."""
    net = e.network
    n, outputs = net.size(0), net.size(len(net.pieces))
    names = _entry(e.manifest["rows"], {"matrix", "offset"}, Reason.ROWS)
    matrix = e.tensors.take(names["matrix"], "F32 F64", (None, outputs))
    offset = e.tensors.take(names["offset"], "F32 F64", (len(matrix),))
    need(len(matrix) > 0 and np.abs(matrix).max() < 1e15, Reason.ROWS, "no rows, or too large")
    need(np.abs(offset).max() < 1e30, Reason.ROWS, "offsets too large")
    frozen = _groups(e, n)
    need(frozen.size <= MOST_NUMBERS, Reason.TOO_LARGE, "groups times inputs")
    region = _region(e, n, 1.0 - frozen)
    e.question = Question(region, matrix, offset, frozen.shape[1] - 1, e.semantics)


def _region(e: Evidence, n: int, free: Array) -> Region:
    """One box, or the boxes of all inputs near the center."""
    names, keys = e.manifest["region"], {"center", "lower", "upper"}
    moved = isinstance(names, dict) and set(names) == keys | {"least", "most", "shift"}
    names = _entry(names, keys | ({"least", "most", "shift"} if moved else set()), Reason.REGION)
    ends = {key: e.tensors.take(names[key], "F32 F64", (n,)) for key in names}
    center, lower, upper = (ends[key] for key in ("center", "lower", "upper"))
    if not moved:
        inside = (lower <= center).all() and (center <= upper).all()
        need(inside, Reason.REGION, "center not in box")
        return Region.of(center, lower, upper, free)
    least, most, shift = (ends[key] for key in ("least", "most", "shift"))
    need((least <= center).all() and (center <= most).all(), Reason.REGION, "center not in range")
    need((lower <= 0.0).all() and (upper >= 0.0).all(), Reason.REGION, "offsets are out of order")
    need((shift >= 0.0).all(), Reason.REGION, "a shift is negative")
    return Region.around(center, (lower, upper), (least, most), shift, free)


def _groups(e: Evidence, n: int) -> Array:
    """(inputs, 1 + groups): 1 where the group freezes the input; column 0 freezes nothing."""
    if e.manifest["groups"] is None:
        return np.zeros((n, 1))
    names = _entry(e.manifest["groups"], {"starts", "inputs"}, Reason.GROUPS)
    starts = e.tensors.indices(names["starts"], 2**31)
    need(2 <= len(starts) <= MOST_GROUPS + 1, Reason.GROUPS, "number of groups")
    inputs = e.tensors.indices(names["inputs"], n, length=int(starts[-1]))
    sizes = np.diff(starts)
    need(starts[0] == 0 and (sizes >= 0).all(), Reason.GROUPS, "starts are not in order")
    need(n * len(starts) <= MOST_NUMBERS, Reason.TOO_LARGE, "groups times inputs")
    frozen = np.zeros((n, len(starts)))
    frozen[inputs, 1 + np.repeat(np.arange(len(sizes)), sizes)] = 1.0
    return frozen


def recipe_is_well_formed(e: Evidence) -> None:
    """Layers exist, indices are in range. The numbers are advice and need no check."""
    net, recipe = e.network, _entry(e.manifest["recipe"], RECIPE, Reason.RECIPE)
    need(
        isinstance(recipe["refine"], dict) and isinstance(recipe["slopes"], list),
        Reason.RECIPE,
        "refine is an object, slopes a list",
    )
    rounds, plain = recipe["faces"], e.semantics == ("real",) and e.question.region.shift is None
    need(type(rounds) is int and 0 <= rounds <= MOST_ROUNDS, Reason.RECIPE, "rounds of faces")
    need(plain or not rounds, Reason.SEMANTICS, "faces are for the reals and one box")
    e.recipe.rounds = rounds
    if recipe["tree"] is not None:
        e.question.tree = _read_tree(e, recipe["tree"])
    for name, chosen in recipe["refine"].items():
        index = _layer(net, name)
        neurons = None
        if chosen != "open":
            neurons = e.tensors.indices(chosen, net.size(net.pieces[index - 1].sources[0]))
            need(len(np.unique(neurons)) == len(neurons), Reason.RECIPE, "a neuron occurs twice")
        need(index not in e.recipe.refine, Reason.RECIPE, f"{name!r} is refined twice")
        e.recipe.refine[index] = neurons
    for entry in recipe["slopes"]:
        _read_slopes(e, entry)


def _read_tree(e: Evidence, entry: Any) -> Tree:
    """Leaves that cover the box, passes over them, multipliers that are not negative."""
    keys = {"layers", "starts", "splits", "passes", "multipliers"}
    net, entry = e.network, _entry(entry, keys, Reason.RECIPE)
    need(isinstance(entry["layers"], list), Reason.RECIPE, "layers of a tree")
    sources = [_kinked(net, name).sources[0] for name in entry["layers"]]
    starts = e.tensors.indices(entry["starts"], 2**31)
    need(2 <= len(starts) <= MOST_LEAVES + 1, Reason.RECIPE, "number of leaves")
    splits = e.tensors.take(entry["splits"], "I32", (int(starts[-1]), 3)).astype(np.int64)
    need(starts[0] == 0 and (np.diff(starts) >= 0).all(), Reason.RECIPE, "starts of leaves")
    leaves = []
    for begin, end in pairwise(starts.tolist()):
        leaf = {}
        for layer, neuron, phase in splits[begin:end].tolist():
            known = 0 <= layer < len(sources) and 0 <= neuron < net.size(sources[layer])
            need(known and phase in (1, -1), Reason.RECIPE, "a split")
            leaf[sources[layer], neuron] = phase
        need(len(leaf) == end - begin, Reason.RECIPE, "a leaf splits a neuron twice")
        leaves.append(leaf)
    need(covers(leaves), Reason.COVER, "the leaves do not cover the box")
    passes = e.tensors.take(entry["passes"], "I32", (None, 3)).astype(np.int64)
    passes[:, 2] += 1  # set 0 is group -1
    sizes = (len(leaves), len(e.question.matrix), e.question.groups + 1)
    need(((passes >= 0) & (passes < sizes)).all(), Reason.RECIPE, "a pass")
    need(prod(sizes) <= MOST_NUMBERS, Reason.TOO_LARGE, "leaves times rows times groups")
    beta = e.tensors.take(entry["multipliers"], "F32", (len(passes), max(map(len, leaves))))
    need((beta >= 0.0).all(), Reason.RECIPE, "a multiplier is negative")
    return Tree(leaves, passes, beta)


def _kinked(net: Network, name: Any) -> Activation:
    piece = net.pieces[_layer(net, name) - 1]
    fits = isinstance(piece, Activation) and isinstance(piece.function, Kinked)
    need(fits, Reason.RECIPE, f"{name!r} is no Relu or LeakyRelu")
    return cast(Activation, piece)


def _layer(net: Network, name: Any) -> int:
    need(isinstance(name, str) and name in net.layers, Reason.RECIPE, f"no layer {name!r}")
    return net.layers[name]


def _read_slopes(e: Evidence, entry: Any) -> None:
    net, keys = e.network, {"target", "layer", "columns", "rows", "upper", "lower"}
    entry = _entry(entry, keys, Reason.RECIPE)
    layer = _layer(net, entry["layer"])
    piece, tree = _kinked(net, entry["layer"]), e.question.tree
    final = entry["target"] is None or (entry["target"] == "tree" and tree is not None)
    if final:
        target = ROWS if tree is None or entry["target"] is None else TREE
        size = len(tree.passes) if tree and target == TREE else len(e.question.matrix)
        need(entry["lower"] is None, Reason.RECIPE, "the final rows are bounded from above only")
    else:
        target = _layer(net, entry["target"])
        size = net.size(net.pieces[target - 1].sources[0])
        need(layer < target, Reason.RECIPE, "the layer does not lie before the target")
    columns = e.tensors.indices(entry["columns"], net.size(piece.sources[0]))
    row_of = np.zeros(size, np.int64)
    count = 1
    if entry["rows"] is not None:
        rows = e.tensors.indices(entry["rows"], size)
        need(len(np.unique(rows)) == len(rows) > 0, Reason.RECIPE, "rows of slopes")
        row_of, count = np.full(size, -1), len(rows)
        row_of[rows] = np.arange(count)
    need(len(np.unique(columns)) == len(columns) > 0, Reason.RECIPE, "columns of slopes")
    shape = (count, len(columns))
    upper = e.tensors.take(entry["upper"], "U8", shape) / 255.0
    lower = upper if entry["lower"] is None else e.tensors.take(entry["lower"], "U8", shape) / 255.0
    need((target, layer) not in e.recipe.slopes, Reason.RECIPE, "slopes are given twice")
    e.recipe.slopes[target, layer] = Slopes(columns, row_of, (upper, lower))


def claims_are_known(e: Evidence) -> None:
    """At least one claim, each of a known kind, every array used, witnesses where they belong."""
    entries = e.manifest["claims"]
    need(isinstance(entries, list) and entries, Reason.CLAIM, "there is no claim")
    need(len(entries) <= MOST_CLAIMS, Reason.TOO_LARGE, "number of claims")
    reader = Reader(e.question, e.tensors)
    e.claims = [(str(entry["kind"]), claim) for entry in entries if (claim := reader.read(entry))]
    e.tensors.all_used()


def claims_are_tried(e: Evidence) -> None:
    """Derive every number; the order in the file does not matter for what follows from what."""
    e.facts = {name: Facts() for name in e.semantics}
    bounder = Bounder(e.network, e.recipe, "float32" in e.semantics)
    prover = Prover(e.question, bounder)
    proved = {}
    for late in (False, True):  # the exchange rule asks what the witnesses proved
        for number, (kind, claim) in enumerate(e.claims):
            if (kind == "exchange") == late:
                proved[number] = claim.prove(e.question, prover, e.facts)
    e.proved = [proved[number] for number in range(len(e.claims))]
    e.backward_rows = bounder.backward_rows


STEPS: tuple[Callable[[Evidence], None], ...] = (
    is_a_certificate,
    names_this_model,
    says_which_arithmetic,
    model_is_understood,
    region_and_rows_fit,
    recipe_is_well_formed,
    claims_are_known,
    claims_are_tried,
)


def check(model: bytes, certificate: bytes, semantics: str | None = None) -> Verdict:
    """Accept only if every step passes and every claim holds in the semantics asked for.

    Args:
        model: the bytes of the ONNX file.
        certificate: the bytes of the certificate.
        semantics: `real` or `float32`; None asks for all that the certificate claims.
    """
    started = time.process_time()
    evidence = Evidence(model, certificate, semantics)
    for number, step in enumerate(STEPS, start=1):
        try:
            with np.errstate(all="ignore"):
                step(evidence)
        except Refusal as refusal:
            return _refused(number, step.__name__, refusal.reason, refusal.detail)
        except Exception as error:  # any bytes may arrive: what breaks a step is malformed
            return _refused(number, step.__name__, Reason.MALFORMED, type(error).__name__)
    return _decided(evidence, time.process_time() - started)


def _refused(number: int, step: str, reason: Reason, detail: str) -> Verdict:
    report = {"verdict": "REFUSED", "step": number, "at": step, "reason": reason, "detail": detail}
    return Verdict("REFUSED", report, reason)


def _decided(e: Evidence, seconds: float) -> Verdict:
    """Accepted in a semantics if every claim holds in it; the sentences are formed here."""
    asked = (e.asked,) if e.asked else e.semantics
    answers, conclusions = {}, {}
    held = [
        {name: claim.holds(name, e.question, e.facts[name]) for name in e.semantics}
        for _, claim in e.claims
    ]
    for name in asked:
        accepted = all(one[name] for one in held)
        answers[name] = "ACCEPTED" if accepted else "REJECTED"
        if accepted:
            conclusions[name] = [
                e.question.region.where + claim.sentence(name, e.question) for _, claim in e.claims
            ]
    answer = "ACCEPTED" if set(answers.values()) == {"ACCEPTED"} else "REJECTED"
    claims = [
        {"kind": kind, "holds": {name: h[name] for name in asked}, "proved": proved}
        for (kind, _), h, proved in zip(e.claims, held, e.proved, strict=True)
    ]
    region = e.question.region
    report = {
        "verdict": answer,
        "semantics": answers,
        "meaning": {name: MEANING[name] for name in asked},
        "conclusions": conclusions,
        "claims": claims,
        "skipped": e.network.skipped or None,
        "assumptions": _assumptions(e),
        "not_covered": NOT_COVERED,
        "model_sha256": hashlib.sha256(e.model).hexdigest(),
        "certificate_sha256": hashlib.sha256(e.certificate).hexdigest(),
        "inputs": len(region.center),
        "inputs_that_move": int((region.lower < region.upper).sum()),
        "backward_rows": e.backward_rows,
        "seconds": round(seconds, 4),
    }
    return Verdict(answer, report)


def _assumptions(e: Evidence) -> list[str]:
    found = []
    if e.network.skipped:
        found.append(f"the claims are about the input of the last operator, {e.network.skipped}")
    curved = [
        p for p in e.network.pieces if isinstance(p, Activation) and isinstance(p.function, Curved)
    ]
    if curved and "float32" in e.semantics:
        found.append("a deployed Sigmoid or Tanh is within 2^-20 of the exact function")
    return found
