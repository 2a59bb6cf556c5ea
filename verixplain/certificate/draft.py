"""A certificate being written: what it is about, and the claims put into it."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from verixplain import __version__
from verixplain.attack.pgd import representable
from verixplain.certificate.encode import encode
from verixplain.certify.stability import Sides, data_range, offsets
from verixplain.query import Box, Query

FORMAT = "vxcert/1"
SEMANTICS = ("real", "float32")
ANYTHING = 1e29
"""Ends of a data range where there is none."""
LAYERS = ("Relu", "LeakyRelu", "Sigmoid", "Tanh", "MaxPool")


@dataclass(frozen=True)
class Way:
    """How a claim is to be proved.

    Args:
        semantics: what is claimed: `real`, or `real` and `float32`.
        faces: how often monotone faces are looked for; for `real` alone.
        tree: whether by the leaves of branch and bound.
    """

    semantics: tuple[str, ...] = SEMANTICS
    faces: int = 0
    tree: bool = False


@dataclass(frozen=True)
class Leaves:
    """Leaves of branch and bound, as FORMAT.md section 4 has them.

    Args:
        tree: the arrays of `tree`, and its layers.
        slopes: of every layer, `columns` and `upper`.
    """

    tree: Mapping[str, Any]
    slopes: Mapping[str, Mapping[str, np.ndarray]]


class Draft:
    """Model, region, rows, frozen sets and recipe of a query (FORMAT.md sections 3 and 4).

    Args:
        query: what was asked; its groups are not looked at.
        sets: the flattened inputs of every frozen set; claims name them by number, -1 is none.
        way: how it is to be proved.
        shift: the claims are about every input so near the center; None is the center alone.
        leaves: of branch and bound.
    """

    def __init__(
        self,
        query: Query,
        sets: Sequence[np.ndarray],
        way: Way,
        shift: float | None = None,
        leaves: Leaves | None = None,
    ) -> None:
        network = query.network
        matrix, offset = query.target.matrix(network.outputs)
        self.semantics = way.semantics
        self._claims: list[dict[str, Any]] = []
        self._arrays: dict[str, np.ndarray] = {}
        self._about = {
            "region": self._put("region", _region(query.box, shift)),
            "rows": self._put("rows", {"matrix": _short(matrix), "offset": _short(offset)}),
            "groups": None,
        }
        if sets:
            starts = np.cumsum([0, *map(len, sets)])
            groups = {"starts": starts, "inputs": np.concatenate(sets)}
            groups = {name: array.astype(np.int32) for name, array in groups.items()}
            self._about["groups"] = self._put("groups", groups)
        refine = dict.fromkeys(layers(query), "open")
        self._about["recipe"] = {"refine": refine, "slopes": [], "faces": way.faces, "tree": None}
        if leaves is not None:
            self._about["recipe"]["tree"] = self._put("tree", leaves.tree)
            self._about["recipe"]["slopes"] = [
                {"target": "tree", "rows": "tree.rows", "lower": None, "layer": layer}
                | self._put(f"tree.{number}", slopes)
                for number, (layer, slopes) in enumerate(leaves.slopes.items())
            ]
            self._put("tree.rows", np.arange(len(leaves.tree["passes"]), dtype=np.int32))
        self._about["model_sha256"] = hashlib.sha256(network.data).hexdigest()

    def claim(self, kind: str, **fields: Any) -> None:
        """Add a claim (FORMAT.md section 5).

        Args:
            kind: of the claim.
            fields: its keys; arrays, mappings of arrays (one for each semantics), or numbers.
        """
        number = len(self._claims)
        values = {name: self._put(f"{number}.{name}", value) for name, value in fields.items()}
        self._claims.append({"kind": kind, **values})

    def encoded(self) -> bytes:
        """The certificate as it stands."""
        manifest = {
            "format": FORMAT,
            "semantics": list(self.semantics),
            "claims": self._claims,
            "producer": {"name": "verixplain", "version": __version__},
            **self._about,
        }
        return encode(manifest, self._arrays)

    def _put(self, name: str, value: Any) -> Any:
        """Keep arrays; what stands for them in the manifest."""
        if isinstance(value, Mapping):
            return {key: self._put(f"{name}.{key}", one) for key, one in value.items()}
        if isinstance(value, np.ndarray):
            self._arrays[name] = value
            return name
        return value


def _region(box: Box, shift: float | None) -> dict[str, np.ndarray]:
    """The box, or offsets and range of the boxes of all inputs near its center."""
    ends = {"center": box.center, "lower": box.lower, "upper": box.upper}
    if shift is not None:
        (low, high), (least, most) = offsets(box), data_range(box)
        ends |= {"lower": low, "upper": high, "shift": np.full(low.shape, shift)}
        ends |= {"least": np.maximum(least, -ANYTHING), "most": np.minimum(most, ANYTHING)}
    return {name: _short(end.ravel()) for name, end in ends.items()}


def layers(query: Query) -> list[str]:
    """The nonlinear layers the output depends on, by the names of their outputs in the file."""
    graph = query.network.onnx.graph  # holds only what is needed
    last = {value.name for value in graph.output}
    named = [node for node in graph.node if node.op_type in LAYERS]
    # a Sigmoid at the end is no layer to the checker, which leaves it out
    return [n.output[0] for n in named if n.op_type != "Sigmoid" or n.output[0] not in last]


def _short(numbers: np.ndarray) -> np.ndarray:
    """The same numbers in half the bytes, where float32 has them all."""
    with np.errstate(over="ignore"):
        single = numbers.astype(np.float32)
    return single if (single == numbers).all() else numbers


def coded(points: np.ndarray, center: np.ndarray, ends: Sides) -> np.ndarray:
    """Points in a byte an input where all of them are corners, else in float32."""
    low, high = representable(ends[0].ravel(), ends[1].ravel(), np.float32)
    codes = np.full(points.shape, 3, np.uint8)
    for code, at in ((0, low), (2, high), (1, center.ravel())):
        codes[points == at] = code
    return codes if (codes < 3).all() else points.astype(np.float32)
