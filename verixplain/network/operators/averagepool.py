"""AveragePool."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from verixplain.network.graph import Site
from verixplain.network.operators._moves import Map, Move
from verixplain.network.operators._table import converts
from verixplain.network.operators._windows import Windows, pads, pool_windows

_KINDS = {1: nn.AvgPool1d, 2: nn.AvgPool2d, 3: nn.AvgPool3d}
_CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


def _sums(x: Tensor, found: Windows) -> Tensor:
    """The sum over each window of a padded input, channel by channel."""
    kernel = torch.ones((1, 1, *found.kernel), dtype=x.dtype, device=x.device)
    function = _CONVOLUTIONS[len(found.kernel)]
    total = function(
        x.reshape(-1, 1, *x.shape[2:]), kernel, stride=found.strides, dilation=found.dilations
    )
    return total.reshape(*x.shape[:2], *total.shape[2:])


@converts("AveragePool", since=7)
class AveragePool(Move):
    def build(self, site: Site) -> nn.Module:
        found, whole = self._windows(site)
        plain = found.symmetric and found.halved and all(d == 1 for d in found.dilations)
        if not plain:
            return super().build(site)
        return _KINDS[len(found.kernel)](
            found.kernel, found.strides, padding=found.begin, count_include_pad=whole
        )

    def _windows(self, site: Site) -> tuple[Windows, bool]:
        """The windows, and whether padding counts when the sum is divided."""
        return pool_windows(site), bool(site.attribute("count_include_pad", 0))

    def map(self, site: Site) -> tuple[Map, int]:
        found, whole = self._windows(site)
        # How many places each window divides by: what ceil_mode adds at the end never counts.
        counted = torch.ones((1, 1, *found.sizes), dtype=torch.float64)
        counted = F.pad(counted, pads(found.begin, found.end), value=1.0 if whole else 0.0)
        counted = F.pad(counted, pads([0] * len(found.beyond), found.beyond))
        counts = _sums(counted, found)

        def average(x: Tensor) -> Tensor:
            return _sums(F.pad(x, found.pads), found) / counts.to(x)

        return average, math.prod(found.kernel) + 1
