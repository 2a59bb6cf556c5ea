"""BatchNormalization with the statistics of training."""

import torch
from torch import nn

from verixplain.network.graph import Site, require
from verixplain.network.operators._aligned import float64
from verixplain.network.operators._constants import weight
from verixplain.network.operators._table import Operator, converts
from verixplain.network.primitives import Plan, ScaleShift

_KINDS = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}


@converts("BatchNormalization", since=7)
class BatchNormalization(Operator):
    def build(self, site: Site) -> nn.Module:
        self._check(site)
        gain, bias, mean, variance = (
            weight(site.constant(k, what))
            for k, what in enumerate(("scale", "B", "mean", "var"), start=1)
        )
        layer = _KINDS[site.rank](len(gain), eps=_epsilon(site), dtype=gain.dtype)
        layer.weight, layer.bias = gain, bias
        layer.running_mean, layer.running_var = mean.data, variance.data
        return layer.eval()

    def _check(self, site: Site) -> None:
        require(site.rank in _KINDS, f"an input with {site.rank} dimensions; supported are 2 to 5")
        require(not site.attribute("training_mode", 0), "training_mode is 1")
        require(bool(site.attribute("spatial", 1)), "spatial is 0; only 1 is supported")
        require(
            not any(site.node.outputs[1:]),
            "the statistics of a batch are asked for; only inference is supported",
        )
        smallest = float(site.constant(4, "var").min(initial=float("inf")))
        require(smallest + _epsilon(site) > 0, f"a variance of {smallest}")

    def lower(self, site: Site, plan: Plan) -> str:
        self._check(site)
        gain, bias, mean, variance = (float64(site.constant(k)) for k in range(1, 5))
        scale = gain / torch.sqrt(variance + _epsilon(site))
        shift = bias - mean * scale
        shape = (-1, *[1] * (site.rank - 2))
        kind = ScaleShift(scale.reshape(shape), shift.reshape(shape), rounded=8)
        return plan.add(kind, site.node.inputs[0])


def _epsilon(site: Site) -> float:
    return float(site.attribute("epsilon", 1e-5))
