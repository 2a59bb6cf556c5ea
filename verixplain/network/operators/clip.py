"""Clip: limits are attributes before opset 11 and inputs since."""

import numpy as np
import torch
from torch import nn

from verixplain.network.graph import Site, require
from verixplain.network.operators._aligned import float64
from verixplain.network.operators._table import Apply, Operator, converts
from verixplain.network.operators.relu import RELU
from verixplain.network.primitives import Plan, ScaleShift, Sum

_FARTHEST = float(np.finfo(np.float32).max)  # what old opsets write for "no limit"


def add_shift(plan: Plan, x: str, shift: float) -> str:
    """Append `x + shift`; nothing where that is `x`."""
    return plan.add(ScaleShift(shift=float64(shift)), x) if shift != 0 else plan.resolve(x)


def add_clip(plan: Plan, x: str, low: float | None, high: float | None) -> str:
    """Append `low + relu(x - low) - relu(x - high)`; None is no limit.

    Exact for `low <= high`; where the limits cross, ONNX gives `high` everywhere, as does this
    with `low = high`.
    """
    if low is not None and high is not None:
        low = min(low, high)
    clipped = plan.resolve(x) if low is None else plan.add(RELU, add_shift(plan, x, -low))
    if high is not None:
        beyond = plan.add(RELU, add_shift(plan, x, -high))
        clipped = plan.add(Sum(1, -1), clipped, beyond)
    return clipped if low is None else add_shift(plan, clipped, low)


class _Clip(Operator):
    def limits(self, site: Site) -> tuple[float | None, float | None]:
        """The two limits; None where there is none."""
        raise NotImplementedError

    def build(self, site: Site) -> nn.Module:
        low, high = self.limits(site)
        if low is None and high is None:
            return nn.Identity()
        if low == 0.0 and high == 6.0:
            return nn.ReLU6()
        if low is not None and high is not None:
            low = min(low, high)
        return Apply(lambda x: torch.clamp(x, low, high), f"{low}, {high}")

    def lower(self, site: Site, plan: Plan) -> str:
        return add_clip(plan, site.node.inputs[0], *self.limits(site))


@converts("Clip", since=1)
class Clip1(_Clip):
    def limits(self, site: Site) -> tuple[float | None, float | None]:
        low = float(site.attribute("min", -_FARTHEST))
        high = float(site.attribute("max", _FARTHEST))
        return (low if low > -_FARTHEST else None), (high if high < _FARTHEST else None)


@converts("Clip", since=11)
class Clip(_Clip):
    def limits(self, site: Site) -> tuple[float | None, float | None]:
        found: list[float | None] = [None, None]
        for k in (1, 2):
            if site.given(k):
                limit = site.constant(k, "min" if k == 1 else "max")
                require(limit.size == 1, f"a limit of shape {limit.shape}, not one number")
                number = float(limit.reshape(-1)[0])
                found[k - 1] = number if abs(number) < _FARTHEST else None
        return found[0], found[1]
