"""Cast of a value that varies: only to the float type that it already has.

Casts of shapes and indices are folded before a converter is asked.
"""

import onnx
import torch
from torch import Tensor, nn

from verixplain.errors import UnsupportedOperatorError
from verixplain.network.graph import Site, require
from verixplain.network.operators._table import Operator, converts
from verixplain.network.primitives import Plan

_FLOATS: dict[int, torch.dtype] = {
    onnx.TensorProto.FLOAT: torch.float32,
    onnx.TensorProto.DOUBLE: torch.float64,
}


class _Same(nn.Module):
    """Gives floats back and makes floats of truth values; follows the module's dtype."""

    like: Tensor

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.register_buffer("like", torch.zeros((), dtype=dtype), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if x.is_floating_point() and x.dtype != self.like.dtype:
            raise UnsupportedOperatorError(
                f"from {x.dtype} to {self.like.dtype}; a network must keep one float type"
            )
        return x.to(self.like.dtype)


@converts("Cast", since=6)
class Cast(Operator):
    def build(self, site: Site) -> nn.Module:
        to = int(site.attribute("to"))
        known = (
            onnx.TensorProto.DataType.Name(to) if to in onnx.TensorProto.DataType.values() else to
        )
        require(to in _FLOATS, f"to {known}; a value that varies can only be FLOAT or DOUBLE")
        return _Same(_FLOATS[to])

    def lower(self, site: Site, plan: Plan) -> str:
        return site.node.inputs[0]
