"""Bounds of a region's constraints over boxes of inputs."""

from typing import TYPE_CHECKING

import numpy as np

from verixplain.bounds import bound
from verixplain.query import Target
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
