"""An input near the one explained where a group does not count more than another."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from verixplain.attack.pgd import representable
from verixplain.attribution.eva import EVA
from verixplain.certify.stability import data_range, offsets
from verixplain.query import Box, Query

_INPUTS = 6
"""Inputs that are looked at for one shift."""


@dataclass(frozen=True, eq=False)
class Flip:
    """An input x' at which `I(u) > I(v)` is false: a point of `B_u` reaches what `B_v` cannot.

    Args:
        box: around x'.
        shift: the largest difference of x' to the input.
        u, v: numbers of the groups.
        bound: upper bound of the overlap over `B_v`.
        witness: a point of `B_u` whose overlap is at least that.
    """

    box: Box
    shift: float
    u: int
    v: int
    bound: float
    witness: np.ndarray

    def arrays(self, query: Query) -> dict[str, np.ndarray]:
        """What `verixplain replay` needs to look at it again."""
        coefficients, thresholds = query.target.matrix(query.network.outputs)
        members = query.groups.members[self.u]
        return {
            "witness": self.witness[None],
            "input": self.box.center.astype(query.network.input_dtype),
            "box_lower": self.box.lower,
            "box_upper": self.box.upper,
            "target_coefficients": coefficients,
            "target_offsets": thresholds,
            "group_inputs": members,
            "group_starts": np.array([0, len(members)]),
        }


def flipped(
    query: Query,
    asked: np.ndarray,
    shift: float,
    method: EVA,
    stop: Callable[[], bool] = lambda: False,
) -> Flip | None:
    """Look at some inputs within a shift: `U(B_v) <= L(B_u)` there refutes that u counts more.

    Args:
        query: what was asked.
        asked: (groups, groups), the pairs (u, v) to refute.
        shift: how far each number may be off.
        method: bounds and attack.
        stop: asked after every input.
    """
    for center in _near(query, shift, method.seed):
        box = around(query.box, center)
        found = method.explain(replace(query, box=box)).overlaps
        if found is None:
            return None
        refuted = asked & (found.group_upper[None, :] <= found.group_lower[:, None])
        if refuted.any():
            u, v = (int(number) for number in np.argwhere(refuted)[0])
            far = float(np.abs(center - query.box.center).max())
            return Flip(box, far, u, v, float(found.group_upper[v]), found.group_witness[u])
        if stop():
            return None
    return None


def around(box: Box, center: np.ndarray) -> Box:
    """The box of another input: the same offsets around it, cut with the same range."""
    if box.radius is not None:
        return Box.around(center, box.radius, box.clip)
    low, high = offsets(box)
    return Box(center, center + low, center + high)


def _near(query: Query, shift: float, seed: int) -> list[np.ndarray]:
    """Inputs at the corners: up and down the overlap, then random ones."""
    x, (least, most) = query.box.center, data_range(query.box)
    low = np.maximum(np.nextafter(x - shift, np.inf), least)
    high = np.minimum(np.nextafter(x + shift, -np.inf), most)
    low, high = representable(np.minimum(low, x), np.maximum(high, x), query.network.input_dtype)
    matrix, thresholds = query.target.matrix(query.network.outputs)
    point = torch.tensor(x[None], dtype=torch.from_numpy(low).dtype, requires_grad=True)
    with torch.enable_grad():
        outputs = query.network.forward(point)
        rows = outputs @ torch.tensor(matrix).to(outputs).T + torch.tensor(thresholds).to(outputs)
        (slope,) = torch.autograd.grad(rows.max(), point)
    up = slope[0].numpy() > 0
    rng = np.random.default_rng(seed)
    choices = [up, ~up, *(rng.random(x.shape) < 0.5 for _ in range(_INPUTS - 2))]
    return [np.where(choice, high, low).astype(np.float64) for choice in choices]
