"""Concat."""

import torch
from torch import Tensor, nn

from verixplain.network.graph import Site
from verixplain.network.operators._aligned import float64
from verixplain.network.operators._constants import weight
from verixplain.network.operators._moves import loses_batch
from verixplain.network.operators._table import Operator, converts
from verixplain.network.primitives import Join, Plan, ScaleShift


class _Concat(nn.Module):
    """Inputs and constants side by side; constants are repeated for every sample."""

    def __init__(self, site: Site, axis: int) -> None:
        super().__init__()
        self.axis = axis
        self.constants: list[str | None] = []
        for k in range(len(site.node.inputs)):
            self.constants.append(f"constant{k}" if site.is_constant(k) else None)
            if site.is_constant(k):
                constant = weight(site.constant(k))
                if site.after_weights:
                    self.register_parameter(f"constant{k}", constant)
                else:
                    self.register_buffer(f"constant{k}", constant.data)

    def forward(self, *inputs: Tensor) -> Tensor:
        varying, parts = iter(inputs), []
        for name in self.constants:
            part = next(varying) if name is None else getattr(self, name)
            if name is not None and self.axis != 0 and part.shape[0] == 1:
                part = part.expand(inputs[0].shape[0], *part.shape[1:])
            parts.append(part)
        return torch.cat(parts, dim=self.axis)


@converts("Concat", since=4)
class Concat(Operator):
    def build(self, site: Site) -> nn.Module:
        return _Concat(site, site.axis(0))

    def mixes_batch(self, site: Site) -> str | None:
        if site.axis(0) == 0 and len(site.node.inputs) > 1:
            return "it concatenates along the batch"
        return loses_batch(site)

    def lower(self, site: Site, plan: Plan) -> str:
        axis, numbers = site.axis(0), range(len(site.node.inputs))
        arrays = [float64(site.constant(k)) if site.is_constant(k) else None for k in numbers]
        blank = [None if array is None else tuple(array.shape) for array in arrays]
        result = plan.add(Join(blank, axis), *[site.node.inputs[k] for k in site.varying])
        if len(site.varying) == len(numbers):
            return result
        # The constants come as an offset of their own, which bounds know how to carry.
        offset = torch.cat(
            [
                torch.zeros(site.shape(k), dtype=torch.float64) if array is None else array
                for k, array in enumerate(arrays)
            ],
            dim=axis,
        )
        return plan.add(ScaleShift(None, offset), result)
