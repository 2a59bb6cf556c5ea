"""Pow with a constant exponent."""

import numpy as np
import torch
from torch import Tensor, nn

from verixplain.errors import UnsupportedOperatorError
from verixplain.network.graph import Site
from verixplain.network.operators._aligned import WithConstants, float64, misaligned
from verixplain.network.operators._curves import curved, s_shaped
from verixplain.network.operators._table import Apply, Operator, converts
from verixplain.network.operators.reciprocal import RECIPROCAL
from verixplain.network.operators.sqrt import SQRT
from verixplain.network.primitives import Plan, ScaleShift, Univariate

SQUARE = curved("square", 1, torch.square, lambda x: 2 * x, lambda k: k / 2, ulps=1)


def power(p: float) -> Univariate:
    """`x ** p` for a `p` that is not 0 or 1; all numbers for `p` = 2, 3, ..., else positive ones.

    `f' = p x^(p-1)` has the value `k` where `x = (k / p)^(1 / (p-1))`: with either sign for odd
    `p`, with the sign of `k` for even `p`, and once among the positive numbers otherwise.
    """
    if p in (2.0, 0.5, -1.0):
        return {2.0: SQUARE, 0.5: SQRT, -1.0: RECIPROCAL}[p]

    def function(x: Tensor) -> Tensor:
        return torch.pow(x, p)

    def slope(x: Tensor) -> Tensor:
        return p * torch.pow(x, p - 1)

    def root(k: Tensor) -> Tensor:
        return torch.pow(torch.where(k / p > 0, k / p, torch.nan), 1 / (p - 1))

    name = f"power({p!r})"
    if p >= 2 and p % 2 == 1:
        return s_shaped(name, function, slope, lambda k: root(k).nan_to_num(0.0), -1, ulps=4)
    if p >= 2 and p % 2 == 0:
        signed = lambda k: torch.sign(k) * root(k.abs()).nan_to_num(0.0)  # noqa: E731
        return curved(name, 1, function, slope, signed, ulps=4)
    sign = -1 if 0 < p < 1 else 1
    return curved(name, sign, function, slope, root, ulps=4, domain=(0.0, float("inf")))


@converts("Pow", since=7)
class Pow(Operator):
    def build(self, site: Site) -> nn.Module:
        exponent = self._exponent(site)
        if exponent is not None:
            return Apply(lambda x: torch.pow(x, exponent), f"{exponent}")
        return WithConstants(site, torch.pow)

    def _exponent(self, site: Site) -> float | None:
        """The one number that is the exponent and does not change the shape, if there is one."""
        if not site.is_constant(1) or site.is_constant(0):
            return None
        exponent, shape = site.constant(1), site.shape(0)
        if exponent.size == 0 or not (exponent == exponent.flat[0]).all():
            return None
        if np.broadcast_shapes(exponent.shape, shape) != shape:
            return None
        return float(exponent.flat[0])

    def mixes_batch(self, site: Site) -> str | None:
        return None if self._exponent(site) is not None else misaligned(site)

    def lower(self, site: Site, plan: Plan) -> str:
        exponent = self._exponent(site)
        if exponent is None:
            raise UnsupportedOperatorError(
                "no bounds for an exponent that is not one constant number"
            )
        if exponent == 0:
            return plan.add(ScaleShift(scale=float64(0.0), shift=float64(1.0)), site.node.inputs[0])
        if exponent == 1:
            return plan.resolve(site.node.inputs[0])
        return plan.add(power(exponent), site.node.inputs[0])
