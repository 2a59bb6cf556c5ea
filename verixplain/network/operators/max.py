"""Max of any number of tensors, constants among them, and what Min shares with it."""

from functools import reduce

import numpy as np
import torch
from torch import Tensor, nn

from verixplain.network.graph import Site
from verixplain.network.operators._aligned import WithConstants, float64, misaligned
from verixplain.network.operators._table import Operator, converts
from verixplain.network.operators.relu import RELU
from verixplain.network.primitives import Plan, ScaleShift, Sum


class Extreme(Operator):
    """Written for `sign` * max(`sign` * x, ...): +1 is Max, -1 is Min."""

    sign = 1

    def build(self, site: Site) -> nn.Module:
        function = torch.maximum if self.sign > 0 else torch.minimum
        return WithConstants(site, lambda *x: reduce(function, x), type(self).__name__)

    def mixes_batch(self, site: Site) -> str | None:
        return misaligned(site)

    def lower(self, site: Site, plan: Plan) -> str:
        varying = [site.node.inputs[k] for k in site.varying]
        fixed = [site.constant(k) for k in range(len(site.node.inputs)) if site.is_constant(k)]
        best = plan.resolve(varying[0])
        for x in varying[1:]:
            best = self._add(plan, x, plan.add(Sum(1, -1), best, x))
        if fixed:
            function = np.maximum if self.sign > 0 else np.minimum
            constant = float64(reduce(function, fixed))
            difference = plan.add(RELU, self._signed(plan, best, -constant))
            scale = None if self.sign > 0 else -torch.ones_like(constant)
            best = plan.add(ScaleShift(scale=scale, shift=constant), difference)
        return best

    def _signed(self, plan: Plan, x: str, shift: Tensor) -> str:
        """`sign * (x + shift)`."""
        if self.sign > 0:
            return plan.add(ScaleShift(shift=shift), x)
        return plan.add(ScaleShift(scale=-torch.ones_like(shift), shift=-shift), x)

    def _add(self, plan: Plan, x: str, difference: str) -> str:
        """`x + relu(difference)`, or `x - relu(-difference)`."""
        if self.sign > 0:
            return plan.add(Sum(1, 1), x, plan.add(RELU, difference))
        negated = plan.add(ScaleShift(scale=float64(-1.0)), difference)
        return plan.add(Sum(1, -1), x, plan.add(RELU, negated))


@converts("Max", since=1)
class Max(Extreme):
    pass
