"""Bounds of a region's constraints over boxes of inputs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from verixplain.bounds import Engine, bound
from verixplain.bounds.split import Tree
from verixplain.features import Groups
from verixplain.query import Box, Target
from verixplain.vnnlib.rows import Rows

if TYPE_CHECKING:
    from verixplain.network import Network


def bounds_of(
    network: "Network",
    rows: Rows,
    low: np.ndarray,
    high: np.ndarray,
    method: str,
    wanted: list[int] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of every row, what the inputs contribute included: (boxes, rows) each.

    Args:
        network: the network; rows that do not look at its output do not run it.
        rows: the constraints.
        low, high: the boxes, (boxes, inputs).
        method: bound method.
        wanted: the rows that are bounded, by default all; others are infinite.
    """
    wanted = list(range(len(rows))) if wanted is None else wanted
    lower, upper = np.full((len(low), len(rows)), -np.inf), np.full((len(low), len(rows)), np.inf)
    lower[:, rows.constant], upper[:, rows.constant] = 0.0, 0.0
    constant = np.asarray(rows.constant)
    asked = [row for row in wanted if not constant[row]]
    if asked:
        shape = (len(low), *network.input_shape)
        found = bound(
            network,
            low.reshape(shape),
            high.reshape(shape),
            Target.rows(rows.coefficients[asked]),
            method,
            batch=len(low) if len(low) > 1 else None,
        )
        lower[:, asked], upper[:, asked] = found.lower, found.upper
    return rows.on_box(lower, upper, low, high)


def excluding(network: "Network", rows: Rows, members: Sequence[int]) -> Tree:
    """Branch and bound over a region's box; its last group's bounds are of the rows in question.

    All are negative where none of the constraints holds anywhere in the box.

    Args:
        network: the network.
        rows: the constraints; those asked about look at the output alone.
        members: their numbers.
    """
    shape = network.input_shape
    low, high = rows.lower.reshape(shape), rows.upper.reshape(shape)
    box = Box(np.clip((low + high) / 2, low, high), low, high)
    nobody = Groups(shape, (np.array([], dtype=np.int64),), ("none",))
    target = Target.rows(rows.coefficients[members], -rows.below[members])
    unknown = np.full((len(members), 2), np.inf)
    return Tree(Engine.of(network, "float64"), box, nobody, target, unknown)
