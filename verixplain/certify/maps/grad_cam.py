"""GradCAM: activations times mean gradients, as two bounded factors.

Source: the enclosure is ours; that the top-k of such a map can be certified, CORGI
(arXiv:2301.11324).
"""

import torch
from torch import Tensor

from verixplain.attribution._image import enlarged, needed_image, over_pixels
from verixplain.bounds.enclosure import UNIT64, gamma
from verixplain.bounds.jacobian import Gradients
from verixplain.certify.maps import maps
from verixplain.certify.maps._arithmetic import Region, between, down, times, up
from verixplain.certify.maps._base import BoundedMap, Shown
from verixplain.errors import UnsupportedMethodError
from verixplain.network.primitives import Plan

_TINY = 2.0**-1000

_SPREAD = 2.0**-44
"""Far above what interpolation and division round, relative to the largest score."""


@maps.add
class GradCAMMap(BoundedMap):
    """The weighted sum of a layer's channels, at the size of the input."""

    def prepare(self) -> None:
        slopes = self.slopes
        if len(slopes.rows) > 1:
            raise UnsupportedMethodError("GradCAM's map is bounded for a class or a pair, only")
        self.image = needed_image(slopes.explained, self.method.name)
        layer, activations, _ = self.method.watched(slopes.explained)
        node = next(one for one in slopes.network.graph.nodes if one.name == layer)
        plan = slopes.engine.exact
        self.value = plan.resolve(node.outputs[0])
        if plan.shapes.get(self.value) != tuple(activations.shape):
            raise UnsupportedMethodError(f"layer {layer!r} is not among the values that bounds see")
        self.rest = after(plan, self.value)

    def one(self, lower: Tensor, upper: Tensor) -> Region:
        slopes, shape = self.slopes, self.slopes.engine.exact.shapes[self.value]
        values, _ = slopes.inside(lower, upper)
        found = slopes.gradients(self.rest, 0, values)
        low, high = times(*_means(found, shape), *slopes.value(self.value, values))
        slack = gamma(shape[0] + 4, UNIT64)
        size = torch.maximum(low.abs(), high.abs()).sum(1)
        low = down(low.sum(1) - 2 * slack * size).clamp(min=0)
        high = up(high.sum(1) + 2 * slack * size).clamp(min=0)
        return self._spread(low, high, lower.shape[1:])

    def _spread(self, low: Tensor, high: Tensor, shape: torch.Size) -> Region:
        """Coarse maps (1, rows, columns) at the size of the input, shared by a pixel's channels."""
        channels = self.image.pixels.shape[1]
        slack = float(high.max()) * _SPREAD
        ends = []
        for end, sign in ((low, -1), (high, 1)):
            laid = over_pixels(self.image, enlarged(end, self.image), shape) / channels
            ends.append(laid.flatten(1) + sign * (slack + _TINY))
        return between(ends[0].clamp(min=0), ends[1])

    def at(self, shown: Shown, points: Tensor) -> Tensor:
        activations, slopes = shown.slopes(points, self.value)
        coarse = torch.relu((slopes.mean((2, 3), keepdim=True) * activations).sum(1))
        laid = over_pixels(self.image, enlarged(coarse, self.image), points.shape[1:])
        return laid / self.image.pixels.shape[1]


def after(plan: Plan, value: str) -> Plan:
    """The part of a plan that a value goes into, with that value as its input."""
    rest, reached = Plan(value), {value}
    rest.output, rest.shapes = plan.output, plan.shapes
    for step in plan.steps:
        if reached & set(step.inputs):
            reached.add(step.name)
            rest.steps.append(step)
    return rest


def _means(found: Gradients, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Where the mean gradient of every channel lies: (1, channels, 1, 1) each."""
    places = shape[1] * shape[2]

    def sums(part: Tensor) -> Tensor:
        return part.reshape(*part.shape[:-1], shape[0], places).sum(-1)

    slack = 2 * gamma(places + found.symbols.shape[1] + 8, UNIT64)
    whole = found.centre.abs() + found.symbols.abs().sum(1) + found.rest
    reach = sums(found.symbols).abs().sum(1) + sums(found.rest) + slack * sums(whole)
    middle, reach = sums(found.centre), reach * (1 + slack) + _TINY
    low = torch.maximum(sums(found.lower) - slack * sums(found.lower.abs()), middle - reach)
    high = torch.minimum(sums(found.upper) + slack * sums(found.upper.abs()), middle + reach)
    if found.above is not None:
        each = torch.eye(shape[0], dtype=low.dtype, device=low.device)
        each = each.repeat_interleave(places, 1)
        low = torch.maximum(low, -found.above(-each, 0))
        high = torch.minimum(high, found.above(each, 0))
    shares = (down(down(low - _TINY) / places), up(up(high + _TINY) / places))
    low, high = (end[..., None, None] for end in shares)
    return low, high
