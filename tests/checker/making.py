"""Certificates for tests: a plain recipe, and the checker's own numbers as claims.

The producer of the package is not used here on purpose.
"""

import hashlib
from dataclasses import dataclass, field

import numpy as np

from verixplain.certificate.encode import encode
from verixplain.checker.operators import build
from verixplain.checker.steps import Verdict, check
from verixplain.checker.wire import read_model

HIGH = 1e20


@dataclass
class Draft:
    """A certificate being made; `arrays` and `manifest` may be edited freely before `bytes`."""

    model: bytes
    manifest: dict
    arrays: dict = field(default_factory=dict)

    def bytes(self) -> bytes:
        return encode(self.manifest, self.arrays)

    def check(self, semantics: str | None = None) -> Verdict:
        return check(self.model, self.bytes(), semantics)

    def put(self, name: str, array) -> str:
        self.arrays[name] = np.asarray(array)
        return name

    def claim(self, kind: str, **fields) -> "Draft":
        self.manifest["claims"].append({"kind": kind, **fields})
        return self

    def numbers(self, stem: str, values) -> dict:
        return {
            s: self.put(f"{stem}.{s}", np.asarray(values, np.float64))
            for s in self.manifest["semantics"]
        }

    def bound(self, upper=None) -> "Draft":
        rows = len(self.arrays["rows.matrix"])
        values = np.full(rows, HIGH) if upper is None else upper
        return self.claim("bound", upper=self.numbers("bound", values))

    def groups(self, group, upper=None) -> "Draft":
        group = np.asarray(group, np.int32)
        values = np.full(len(group), -HIGH) if upper is None else upper
        named = self.put("groups.group", group)
        return self.claim("groups", group=named, upper=self.numbers("groups", values))

    def witnesses(self, points, group, row, lower=None, stem="witness") -> "Draft":
        values = np.full(len(group), -HIGH) if lower is None else lower
        return self.claim(
            "witness",
            points=self.put(f"{stem}.points", points),
            group=self.put(f"{stem}.group", np.asarray(group, np.int32)),
            row=self.put(f"{stem}.row", np.asarray(row, np.int32)),
            lower=self.numbers(stem, values),
        )

    def settle(self) -> "Draft":
        """Claim what the checker finds, a trifle weaker: matrix products differ in the last bit."""
        verdict = self.check()
        assert verdict.answer != "REFUSED", verdict.report
        for entry, found in zip(self.manifest["claims"], verdict.report["claims"], strict=True):
            names = entry.get("upper") or entry.get("lower") or {}
            for semantics, name in names.items():
                proved = np.array(found["proved"][semantics])
                slack = 1e-9 * (1.0 + np.abs(proved))
                self.arrays[name] = proved - slack if "lower" in entry else proved + slack
        return self


def draft(
    model: bytes,
    center,
    radius,
    matrix,
    offset=None,
    groups=None,
    semantics=("real", "float32"),
    refine="open",
    clip=None,
) -> Draft:
    """A certificate without claims: box, rows, groups, and every layer refined where open.

    Args:
        radius: a number, or a pair of arrays lower, upper.
        groups: list of lists of inputs.
        refine: "open", None (intervals only), or a dictionary as in the manifest.
        clip: the data range (low, high).
    """
    network = build(read_model(model))
    center = np.asarray(center, np.float32).ravel()
    if isinstance(radius, tuple):
        lower, upper = (np.asarray(a, np.float32).ravel() for a in radius)
    else:
        lower, upper = center - np.float32(radius), center + np.float32(radius)
    if clip is not None:
        lower, upper = np.maximum(lower, clip[0]), np.minimum(upper, clip[1])
    arrays = {
        "center": center,
        "lower": lower.astype(np.float32),
        "upper": upper.astype(np.float32),
        "rows.matrix": np.asarray(matrix, np.float64),
        "rows.offset": np.zeros(len(matrix)) if offset is None else np.asarray(offset, np.float64),
    }
    named = None
    if groups is not None:
        sizes = [len(group) for group in groups]
        arrays["groups.starts"] = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
        flat = [i for group in groups for i in group]
        arrays["groups.inputs"] = np.array(flat, np.int32)
        named = {"starts": "groups.starts", "inputs": "groups.inputs"}
    if refine == "open":
        by_index = {index: name for name, index in network.layers.items()}
        refine = dict.fromkeys(by_index.values(), "open")
        if groups is None:
            for index, name in by_index.items():
                source = network.pieces[index - 1].sources[0]
                before = network.pieces[source - 1] if source else None
                if before is None or before.sources == (0,):
                    del refine[name]  # an interval is exact there
    manifest = {
        "format": "vxcert/1",
        "model_sha256": hashlib.sha256(model).hexdigest(),
        "semantics": list(semantics),
        "region": {"center": "center", "lower": "lower", "upper": "upper"},
        "rows": {"matrix": "rows.matrix", "offset": "rows.offset"},
        "groups": named,
        "recipe": {"refine": refine or {}, "slopes": [], "faces": 0, "tree": None},
        "claims": [],
        "producer": {"name": "tests"},
    }
    return Draft(model, manifest, arrays)


def margins(label: int, classes: int) -> np.ndarray:
    """Rows f_j - f_label for every other class j."""
    matrix = np.eye(classes)
    matrix[:, label] -= 1.0
    return np.delete(matrix, label, axis=0)
