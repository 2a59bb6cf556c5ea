"""MatMul."""

import numpy as np
import torch
from torch import Tensor, nn

from verixplain.network.graph import Site, limit
from verixplain.network.operators._aligned import float64
from verixplain.network.operators._constants import weight
from verixplain.network.operators._moves import has_batch, loses_batch
from verixplain.network.operators._table import Apply, Operator, converts
from verixplain.network.primitives import Affine, Linear, MatrixProduct, Plan, Rearrange


class _Times(Affine):
    """`x @ W`, or `W @ x`, for a constant `W` that broadcasts against a batch."""

    constant: Tensor

    def __init__(self, constant: Tensor, before: bool) -> None:
        super().__init__()
        self.register_buffer("constant", constant)
        self.before, self.terms = before, constant.shape[-1 if before else -2]

    def forward(self, x: Tensor) -> Tensor:
        return self.constant @ x if self.before else x @ self.constant

    def absolute(self, x: Tensor) -> Tensor:
        return self.constant.abs() @ x if self.before else x @ self.constant.abs()


class _Product(nn.Module):
    """`x @ W`, or `W @ x`, with `W` a weight of any shape."""

    def __init__(self, constant: nn.Parameter, before: bool) -> None:
        super().__init__()
        self.weight, self.before = constant, before

    def forward(self, x: Tensor) -> Tensor:
        return torch.matmul(self.weight, x) if self.before else torch.matmul(x, self.weight)


def _matrix(array):
    """A vector after `@` as a matrix of one column."""
    return array[:, None] if array.ndim == 1 else array


@converts("MatMul", since=1)
class MatMul(Operator):
    def build(self, site: Site) -> nn.Module:
        left, right = site.shape(0), site.shape(1)
        if min(len(left), len(right)) >= 2:
            batch = np.broadcast_shapes(left[:-2], right[:-2])
            limit((*batch, left[-2], right[-1]), "the product")
        if len(site.varying) == 2:
            return Apply(torch.matmul, "both vary")
        if not site.is_constant(1) or site.constant(1).ndim > 2:
            number = site.varying[0]
            return _Product(weight(site.constant(1 - number)), before=number == 1)
        matrix = _matrix(site.constant(1)).T
        layer = nn.Linear(*reversed(matrix.shape), bias=False, dtype=weight(matrix).dtype)
        layer.weight = weight(matrix)
        if site.constant(1).ndim == 2:
            return layer
        return nn.Sequential(layer, Apply(lambda x: x.squeeze(-1), "one column"))

    def mixes_batch(self, site: Site) -> str | None:
        """Both matrix dimensions must lie behind the batch, on both sides."""
        left, right = site.shape(0), site.shape(1)
        if len(site.varying) == 2:
            if len(left) != len(right) or len(left) < 3:
                return f"it multiplies {left} by {right}, so the batch is not first in both"
            return loses_batch(site)
        if site.is_constant(1):
            if len(left) < 2 or len(right) > len(left) or (len(left) == 2 and len(right) > 2):
                return f"it multiplies {left} by a constant {right}"
        elif len(right) < 3 or len(left) > len(right):
            return f"it multiplies a constant {left} by {right}, across the batch"
        constant = left if site.is_constant(0) else right
        if (
            len(constant) > 2
            and len(constant) == max(len(left), len(right))
            and not has_batch(constant)
        ):
            return f"the constant {constant} has another matrix for every sample"
        return loses_batch(site)

    def lower(self, site: Site, plan: Plan) -> str:
        if len(site.varying) == 2:
            return plan.add(MatrixProduct(), *site.node.inputs)
        if site.is_constant(0):
            constant = float64(site.constant(0))
            if constant.ndim > 1:
                return plan.add(_Times(constant, before=True), site.node.inputs[1])
            row = plan.add(_Times(constant[None], before=True), site.node.inputs[1])
            return plan.add(Rearrange(lambda x: x.squeeze(-2)), row)
        constant, x = float64(site.constant(1)), site.node.inputs[0]
        if constant.ndim > 2:
            return plan.add(_Times(constant, before=False), x)
        result = plan.add(Linear(_matrix(constant).T.contiguous()), x)
        if constant.ndim == 2:
            return result
        return plan.add(Rearrange(lambda x: x.squeeze(-1)), result)
