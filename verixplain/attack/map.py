"""Search for an input whose map is another one, though the decision stays.

The gradient of a piecewise linear network does not change as its input moves within a piece, so
there is nothing to climb. The search climbs on a copy whose kinks are rounded off (softplus), and
judges every point by the network itself.

Source: Ghorbani, Abid and Zou 2019, arXiv:1710.10547; the rounded copy is that of Dombrowski et
al. 2019, arXiv:1906.07983.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from verixplain.attack.pgd import representable
from verixplain.network.primitives import Plan, Univariate

_TOGETHER = 64
"""Points that are judged together."""

_SHARP = 10.0
"""How sharp a rounded kink is, for inputs of size 1."""


def rounded(plan: Plan, at: Tensor) -> Callable[[Tensor], dict[str, Tensor]]:
    """The network with its kinks rounded off, as every value of its plan.

    Args:
        plan: the network.
        at: an input (1, *shape); kinks are rounded off on the scale of the values there.
    """
    with torch.no_grad():
        known = plan.run(at)
    scales = {name: float(value.abs().mean()) for name, value in known.items()}

    def run(x: Tensor) -> dict[str, Tensor]:
        values = {plan.input: x}
        for step in plan.steps:
            parts, kind = [values[name] for name in step.inputs], step.kind
            if isinstance(kind, Univariate) and kind.native is not None:
                flat = float(dict(kind.parameters).get("alpha", 0.0))
                sharp = _SHARP / max(scales[step.inputs[0]], 1e-12)
                bent = F.softplus(parts[0], beta=sharp)
                values[step.name] = flat * parts[0] + (1 - flat) * bent
            else:
                function = kind.function if isinstance(kind, Univariate) else kind
                values[step.name] = function(*parts)
        return values

    return run


@dataclass(frozen=True)
class MapAttack:
    """Signed gradient steps of falling size, from corners and inner points of the box.

    Args:
        steps: per start.
        starts: climbed together.
        seed: of the starts.
    """

    steps: int = 12
    starts: int = 4
    seed: int = 0

    def run(
        self,
        smooth: Callable[[Tensor], Tensor],
        judge: Callable[[Tensor], Tensor],
        lower: np.ndarray,
        upper: np.ndarray,
        dtype: type,
        device: str,
        enough: float = 0.0,
        stop: Callable[[], bool] = lambda: False,
        tried: Tensor | None = None,
    ) -> tuple[np.ndarray, float]:
        """The best point, representable in the model's type, and what the judge says of it.

        Args:
            smooth: what to climb at points (batch, *shape): (batch,), differentiable twice.
            judge: the truth, minus infinity where a point does not count.
            lower, upper: ends of the box.
            dtype: the model's input type.
            device: of the tensors.
            enough: a judgement above this ends the search.
            stop: asked before every step.
            tried: points that are judged first, (n, *shape); the best of them is climbed from.
        """
        ends = representable(lower, upper, dtype)
        low, high = (torch.as_tensor(end, device=device).double()[None] for end in ends)
        drawn = torch.rand(
            (self.starts, *lower.shape), generator=torch.Generator().manual_seed(self.seed)
        )
        drawn[::2] = drawn[::2].round()
        points = low + drawn.to(low) * (high - low)
        best, height = points[0], -torch.inf
        if tried is not None and len(tried):
            known = torch.minimum(torch.maximum(_typed(tried, dtype), low), high)
            values = torch.cat([judge(part) for part in known.split(_TOGETHER)])
            height, best = float(values.max()), known[int(values.argmax())]
            if height > enough:
                return best.cpu().numpy(), height
            points[-1] = best
        for step in range(self.steps + 1):
            points = _typed(points, dtype)
            points = torch.minimum(torch.maximum(points, low), high)
            values = judge(points)
            if float(values.max()) > height:
                height, best = float(values.max()), points[int(values.argmax())]
            if height > enough or step == self.steps or stop():
                break
            with torch.enable_grad():
                climbed = points.detach().requires_grad_()
                (slope,) = torch.autograd.grad(smooth(climbed).sum(), climbed)
            size = (high - low) * (0.5 * (1 - step / (self.steps + 1)))
            points = points + slope.sign() * size
        return best.cpu().numpy(), height


def _typed(points: Tensor, dtype: type) -> Tensor:
    """Rounded to the model's input type."""
    return points if dtype is np.float64 else points.float().double()
