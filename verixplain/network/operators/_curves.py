"""Shapes that elementwise functions have, so that a function's file is its formulas only.

A `stationary` place need not be exact, and more places than asked for never hurt: the caller
evaluates `f(x) - kx` there and at the ends, and every such value is one that is taken. What
matters is that none is missing. A place that is off by `d` misses the extreme by at most
`max |f''| d^2 / 2`, since the slope of `f(x) - kx` is zero at the true place; with `d` a few
rounding errors that is far below one unit in the last place.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from verixplain.network.primitives import Univariate

Function = Callable[[Tensor], Tensor]


def places(*found: Tensor) -> Tensor:
    """Places as one tensor with a last dimension; what is not finite is no place."""
    stacked = torch.stack(torch.broadcast_tensors(*found), dim=-1)
    return torch.where(torch.isfinite(stacked), stacked, torch.nan)


def widened(steepest: Tensor) -> Tensor:
    """A slope rounded a few times, made at least the true one."""
    eps = torch.finfo(steepest.dtype).eps
    return steepest * (1 + 16 * eps) + 16 * eps


def clamp(x: Tensor | float, lower: Tensor, upper: Tensor) -> Tensor:
    """The place nearest to `x` in the interval."""
    return torch.minimum(torch.maximum(torch.as_tensor(x).to(lower), lower), upper)


def _steeper_end(slope: Function, lower: Tensor, upper: Tensor) -> Tensor:
    return torch.maximum(slope(lower).abs(), slope(upper).abs())


def curved(
    name: str, sign: int, function: Function, slope: Function, root: Function, **settings
) -> Univariate:
    """A function convex (`sign` +1) or concave (-1) everywhere: `f'` takes each value once.

    `f'` is monotone, so its largest size is at an end.
    """
    return Univariate(
        name=name,
        function=function,
        slope=slope,
        stationary=lambda k: places(root(k)),
        curvature=lambda lower, upper: torch.full_like(lower, sign),
        steepest=lambda lower, upper: widened(
            torch.maximum(slope(lower).abs(), slope(upper).abs())
        ),
        **settings,
    )


def s_shaped(
    name: str, function: Function, slope: Function, root: Function, sign: int = 1, **settings
) -> Univariate:
    """Odd slope-symmetric functions: `f'(-x) = f'(x)`, `f'' >= 0` left of 0 for `sign` +1.

    `f'` falls away from 0 on both sides (`sign` +1: sigmoid) or grows (-1: cubes), so it takes
    a value at `root(k)` and `-root(k)` or nowhere, and is largest at the place nearest to 0, or
    at an end.
    """

    def stationary(k: Tensor) -> Tensor:
        found = root(k)
        return places(found, -found)

    def curvature(lower: Tensor, upper: Tensor) -> Tensor:
        left, right = upper <= 0, lower >= 0
        return sign * (left.to(lower.dtype) - (right & ~left).to(lower.dtype))

    def steepest(lower: Tensor, upper: Tensor) -> Tensor:
        if sign > 0:
            return widened(slope(clamp(0.0, lower, upper)).abs())
        return widened(_steeper_end(slope, lower, upper))

    return Univariate(name, function, slope, stationary, curvature, steepest, **settings)


def wavy(
    name: str, function: Function, slope: Function, bend: float, reach: float, **settings
) -> Univariate:
    """Functions like GELU: `f'` falls up to `-bend`, rises up to `bend`, falls from there on.

    `f'(x) = k` has no closed form. On each of the three pieces `f'` is monotone, so bisection
    finds its place within `2 reach / 2^60`; where the piece has none, it ends at an end of the
    piece, which does no harm. Between the found and the true place `f(x) - kx` has a slope of
    at most (the rounding error of `f'`) + `max |f''|` (their distance): where `f''` is not
    small they are next to each other, where it is small (the far tails, the bends) a rounding
    error in `f'` of a few units in the last place of 1 acts over a distance no longer than the
    tail, and the product stays below a few units in the last place of `f`: `ulps` counts it.

    Args:
        name: of the function.
        function: its values.
        slope: its derivative.
        bend: where `f''` changes its sign, known to 1e-9.
        reach: a place beyond which `f'` differs from 0 or 1 by less than any number does.
        settings: further fields.
    """

    def stationary(k: Tensor) -> Tensor:
        edges = torch.tensor([-reach, -bend, bend, reach], dtype=k.dtype, device=k.device)
        low = edges[:3].expand(*k.shape, 3).clone()
        high = edges[1:].expand(*k.shape, 3).clone()
        rises = torch.tensor([-1.0, 1.0, -1.0], dtype=k.dtype, device=k.device)
        for _ in range(60):
            middle = (low + high) / 2
            right = rises * (slope(middle) - k[..., None]) < 0
            low, high = torch.where(right, middle, low), torch.where(right, high, middle)
        return places(*(low + high).div(2).unbind(-1))

    def curvature(lower: Tensor, upper: Tensor) -> Tensor:
        convex = (lower >= -bend + 1e-6) & (upper <= bend - 1e-6)
        concave = (upper <= -bend - 1e-6) | (lower >= bend + 1e-6)
        return convex.to(lower.dtype) - concave.to(lower.dtype)

    def steepest(lower: Tensor, upper: Tensor) -> Tensor:
        tried = [lower, upper, clamp(-bend, lower, upper), clamp(bend, lower, upper)]
        return widened(torch.stack([slope(x).abs() for x in tried]).amax(0))

    return Univariate(name, function, slope, stationary, curvature, steepest, **settings)


def bisect(function: Callable[[float], float], low: float, high: float) -> float:
    """The one place between `low` and `high` where a falling `function` is zero."""
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) > 0 else (low, middle)
    return high
