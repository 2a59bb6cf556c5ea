"""Integrated gradients, by segments of the path or node by node.

With the midpoint, left and right rules every node lies in a closed segment of its own and weighs
1/m, so gradients over whole segments cover the map that is shown, and the true integral too. (At
a single point there is no box to cover, and the nodes alone give the map that is shown.) Any other
rule (Gauss-Legendre, trapezoid) is covered node by node, and then nothing is said of the
integral. The baseline is the same for every input; one computed from it is not covered.

Source: ours (design notes, 3.7).
"""

import numpy as np
import torch
from torch import Tensor

from verixplain.attribution._path import nodes
from verixplain.certify.maps import maps
from verixplain.certify.maps._arithmetic import Region, added, down, scaled, up
from verixplain.certify.maps._base import BoundedMap, Shown

SEGMENTS = ("midpoint", "left", "right")
"""Rules whose nodes lie in closed segments of equal length, one in each, all of one weight."""


@maps.add
class IntegratedGradientsMap(BoundedMap):
    """`(x - b)` times the mean of gradients along the path from `b`."""

    def prepare(self) -> None:
        method = self.method
        self.places, self.weights = nodes(method.rule, method.steps)
        self.start = self.slopes.explained.baseline(method.baseline)

    def one(self, lower: Tensor, upper: Tensor) -> Region:
        first = last = self._shares(self.places)
        weights = self.slopes.tensor(self.weights)[:, None]
        if self.method.rule in SEGMENTS and not torch.equal(lower, upper):
            count = self.method.steps
            first = self._shares(np.arange(count) / count)
            last = self._shares((np.arange(count) + 1) / count)
            first = torch.where(first > 0, down(first), first)  # 0 and 1 are exact
            last = torch.where(last < 1, up(last), last)
            weights = torch.full_like(weights, 1 / count)
        # Linear in the share and in the input, so the ends are at corners.
        moves = [end - self.start for end in (lower, upper)]
        moves = down(moves[0]), up(moves[1])
        corners = torch.stack([share * move for share in (first, last) for move in moves])
        low = down(self.start + down(corners.amin(0)))
        high = up(self.start + up(corners.amax(0)))
        slopes = self.slopes.over(low, high)
        mean = added(scaled(slopes, down(weights), up(weights)))
        return scaled(mean, moves[0].flatten(1), moves[1].flatten(1))

    def _shares(self, places: np.ndarray) -> Tensor:
        return self.slopes.tensor(places).reshape(-1, *[1] * self.start.ndim)

    def at(self, shown: Shown, points: Tensor) -> Tensor:
        places, weights = self._shares(self.places), self._shares(self.weights)
        move = points - self.start
        path = self.start + places[:, None] * move[None]  # (nodes, batch, *input shape)
        found = shown.gradient(path.flatten(0, 1)).reshape(path.shape)
        return move * (weights[:, None] * found).sum(0)
