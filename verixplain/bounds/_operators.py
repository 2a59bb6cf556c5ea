"""Rules of our own for primitives that auto_LiRPA has no sound or general rule for.

They are classes of auto_LiRPA's, made once it has been imported: its one door passes it in.
"""

from typing import Any

import numpy as np
import torch

from verixplain.bounds.enclosure import extremes
from verixplain.bounds.relaxation import lines, pool_lines
from verixplain.network.primitives import MatrixProduct


def operators(base: Any, patches: Any) -> dict[str, type]:
    """The rules by the operator names that the graph is built with.

    Args:
        base: auto_LiRPA's module of the class `Bound`.
        patches: its module of the class `Patches`.
    """

    class Ours(base.Bound):
        """What all of ours share."""

        needs_bounds = True

        def __init__(self, attr, inputs, output_index, options):
            super().__init__(attr, inputs, output_index, options)
            self.kind = attr["kind"]
            if self.needs_bounds:
                self.requires_input_bounds = list(range(len(inputs)))

        def forward(self, *x):
            return self.kind(*x)

        def _matrix(self, rows):
            """Coefficients as one dense tensor (rows, batch, *shape)."""
            if rows is None or torch.is_tensor(rows):
                return rows
            if isinstance(rows, patches.Patches):
                batch, shape = rows.output_shape[0], self.output_shape[1:]
                dense = rows.to_matrix((batch, *shape))
                return dense.reshape(batch, -1, *shape).transpose(0, 1)
            if hasattr(rows, "coeffs"):  # one-hot rows
                count, batch = rows.shape[0], rows.shape[1]
                dense = torch.zeros(
                    count, batch, int(np.prod(self.output_shape[1:])), device=self.device
                )
                index = rows.index.reshape(count, -1).expand(count, batch)
                dense.scatter_(2, index[..., None], 1.0)
                return dense.reshape(count, batch, *self.output_shape[1:])
            count, batch = rows.shape[0], rows.shape[1]  # the identity
            eye = torch.eye(count, device=self.device)
            return (
                eye[:, None]
                .expand(count, batch, count)
                .reshape(count, batch, *self.output_shape[1:])
            )

        def bound_backward(self, last_lower, last_upper, *x):
            lower, upper = self._matrix(last_lower), self._matrix(last_upper)
            lower_rows, lower_bias = self._back(lower, x, -1) if lower is not None else (None, 0)
            upper_rows, upper_bias = self._back(upper, x, 1) if upper is not None else (None, 0)
            pairs = [
                (
                    None if lower_rows is None else lower_rows[k],
                    None if upper_rows is None else upper_rows[k],
                )
                for k in range(len(x))
            ]
            return pairs, lower_bias, upper_bias

        def _pull_back(self, function, rows, x):
            """Transpose of a linear function of the inputs, applied to rows."""
            count, batch = rows.shape[:2]
            # The gradient of one number: torch.func.vjp, and gradients of more than one
            # number, take seconds to import what they need.
            with torch.enable_grad():
                points = [
                    rows.new_zeros(count * batch, *node.output_shape[1:]).requires_grad_()
                    for node in x
                ]
                value = (function(*points) * rows.reshape(count * batch, *rows.shape[2:])).sum()
                pulled = torch.autograd.grad(value, points, create_graph=rows.requires_grad)
            return [one.reshape(count, batch, *one.shape[1:]) for one in pulled]

    class BoundOurAffine(Ours):
        needs_bounds = False

        def interval_propagate(self, *v):
            centers = [(low + high) / 2 for low, high in v]
            radii = [(high - low) / 2 for low, high in v]
            middle, spread = self.kind(*centers), self.kind.absolute(*radii)
            return middle - spread, middle + spread

        def _back(self, rows, x, sign):
            offset = self.kind.offset()
            bias = 0 if offset is None else (rows * offset).flatten(2).sum(-1)
            return self._pull_back(self.kind.linear, rows, x), bias

    class BoundOurMove(BoundOurAffine):
        """Numbers only change places: bounds of the input are bounds of the output."""

    class BoundOurUnivariate(Ours):
        def forward(self, x):
            return self.kind.function(x)

        def interval_propagate(self, *v):
            low, high = v[0]
            return extremes(self.kind, torch.zeros_like(low), low, high)

        def _back(self, rows, x, sign):
            found = lines(self.kind, x[0].lower, x[0].upper)
            above, below = rows.clamp(min=0), rows.clamp(max=0)
            if sign < 0:
                above, below = below, above
            slopes = above * found.upper_slope + below * found.lower_slope
            bias = above * found.upper_offset + below * found.lower_offset
            return [slopes], bias.flatten(2).sum(-1)

    class BoundOurMaxPool(Ours):
        def interval_propagate(self, *v):
            return self.kind(v[0][0]), self.kind(v[0][1])

        def _back(self, rows, x, sign):
            found = pool_lines(self.kind, x[0].lower, x[0].upper)
            above, below = rows.clamp(min=0), rows.clamp(max=0)
            if sign < 0:
                above, below = below, above
            slopes = above[..., None] * found.upper_slope + below[..., None] * found.lower_slope
            bias = (above * found.upper_offset).flatten(2).sum(-1)
            return [self.kind.joined(slopes)], bias

    class BoundOurProduct(Ours):
        def interval_propagate(self, *v):
            (a, r), (b, s) = [((low + high) / 2, (high - low) / 2) for low, high in v]
            middle = self.kind(a, b)
            spread = self.kind(a.abs(), s) + self.kind(r, b.abs()) + self.kind(r, s)
            return middle - spread, middle + spread

        def _back(self, rows, x, sign):
            # The mean of the two McCormick planes on each side: the slopes are the centers.
            one, two = x
            a, b = (one.lower + one.upper) / 2, (two.lower + two.upper) / 2
            below = -(self.kind(one.lower, two.lower) + self.kind(one.upper, two.upper)) / 2
            above = -(self.kind(one.upper, two.lower) + self.kind(one.lower, two.upper)) / 2
            if isinstance(self.kind, MatrixProduct):
                below, above = _matrix_offsets(one, two)
            count = rows.shape[0]
            a, b = (t.expand(count, *t.shape).flatten(0, 1) for t in (a, b))
            pulled = self._pull_back(lambda p, q: self.kind(p, b) + self.kind(a, q), rows, x)
            if sign < 0:
                below, above = above, below
            bias = rows.clamp(min=0) * above + rows.clamp(max=0) * below
            return pulled, bias.flatten(2).sum(-1)

    def _matrix_offsets(one, two):
        low, high, left, right = one.lower, one.upper, two.lower, two.upper
        return -(low @ left + high @ right) / 2, -(high @ left + low @ right) / 2

    return {
        "verixplain::Affine": BoundOurAffine,
        "verixplain::Move": BoundOurMove,
        "verixplain::Univariate": BoundOurUnivariate,
        "verixplain::MaxPool": BoundOurMaxPool,
        "verixplain::Product": BoundOurProduct,
        "verixplain::MatrixProduct": BoundOurProduct,
    }
