"""Projected gradient ascent on the adversarial overlap, for many sub-boxes at once."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from verixplain.bounds import choose_device, lower_at
from verixplain.errors import SettingError
from verixplain.network import Network
from verixplain.query import Query, Target

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class Witnesses:
    """The best point found in every box.

    Args:
        points: (boxes, *input shape), representable in the model's input type, inside the box.
        lower: (boxes,) rigorous lower bounds of the overlap at them, over the reals.
        rows: (boxes,) the row that is largest there.
    """

    points: np.ndarray
    lower: np.ndarray
    rows: np.ndarray


@dataclass(frozen=True)
class PGD:
    """Signed gradient steps of falling size from several starts, clipped to the box.

    Args:
        steps: gradient steps per start.
        restarts: starts: the given point, then random corners and inner points.
        seed: of all random numbers.
        batch: points that are moved together.

    Source: Madry et al. 2018, arXiv:1706.06083; the loss is the overlap itself.
    """

    steps: int = 20
    restarts: int = 2
    seed: int = 0
    batch: int = 256

    def __post_init__(self) -> None:
        if self.steps < 0 or self.restarts < 1 or self.batch < 1:
            raise SettingError(
                f"an attack needs steps >= 0, restarts >= 1 and batch >= 1, not {self.steps}, "
                f"{self.restarts}, {self.batch}"
            )

    def run(
        self,
        query: Query,
        frozen: np.ndarray,
        start: np.ndarray | None = None,
        device: str = "auto",
        progress: Progress | None = None,
    ) -> Witnesses:
        """Search every sub-box `B_u` of the query's box.

        Args:
            query: network, box and target; its groups are not looked at.
            frozen: (boxes, inputs), True where an input is held at the center.
            start: one point of the box, projected into every sub-box as first start; the center
                by default.
            device: where the gradients are computed.
            progress: told after every batch.
        """
        network, box = query.network, query.box
        held = frozen.reshape(-1, *box.center.shape)
        lower = np.where(held, box.center, box.lower)
        upper = np.where(held, box.center, box.upper)
        return self.boxes(network, query.target, box.center, lower, upper, start, device, progress)

    def boxes(
        self,
        network: Network,
        target: Target,
        center: np.ndarray,
        lower: np.ndarray,
        upper: np.ndarray,
        start: np.ndarray | None = None,
        device: str = "auto",
        progress: Progress | None = None,
    ) -> Witnesses:
        """Search boxes around one input, each with its own ends, as `run` does.

        Args:
            network, target: whose overlap is searched.
            center: an input that lies in every box.
            lower, upper: (boxes, *input shape).
            start, device, progress: as in `run`.
        """
        middle = center.astype(network.input_dtype)
        generator = torch.Generator().manual_seed(self.seed)
        first = middle if start is None else start.astype(network.input_dtype)
        search = _Search(network, target, choose_device(device), self.steps)
        points = np.empty(lower.shape, dtype=network.input_dtype)
        for begin in range(0, len(points), self.batch):
            part = slice(begin, begin + self.batch)
            low, high = representable(lower[part], upper[part], network.input_dtype)
            together = max(1, self.batch // len(low))
            points[part] = search.best(low, high, middle, first, self.restarts, together, generator)
            if progress is not None:
                progress("attack", min(begin + self.batch, len(points)), len(points))
        found = lower_at(network, points, target)
        return Witnesses(points, found.max(axis=1), found.argmax(axis=1))


def representable(
    lower: np.ndarray, upper: np.ndarray, dtype: type
) -> tuple[np.ndarray, np.ndarray]:
    """The smallest and largest numbers of `dtype` inside every interval."""
    low, high = lower.astype(dtype), upper.astype(dtype)
    low = np.where(low < lower, np.nextafter(low, dtype(np.inf)), low)
    high = np.where(high > upper, np.nextafter(high, dtype(-np.inf)), high)
    return low, high


class _Search:
    """A network's overlap on a device, and the steps of the ascent."""

    def __init__(self, network: Network, target: Target, device: str, steps: int) -> None:
        self.network, self.steps, self.device = network, steps, device
        dtype = torch.float64 if network.input_dtype is np.float64 else torch.float32
        matrix, offsets = target.matrix(network.outputs)
        self.matrix = torch.tensor(matrix, dtype=dtype, device=device)
        self.offsets = torch.tensor(offsets, dtype=dtype, device=device)

    def overlap(self, points: Tensor) -> Tensor:
        """The largest row at every point: (batch,)."""
        return (self.network.forward(points) @ self.matrix.T + self.offsets).amax(1)

    def best(
        self,
        lower: np.ndarray,
        upper: np.ndarray,
        center: np.ndarray,
        first: np.ndarray,
        restarts: int,
        together: int,
        generator: torch.Generator,
    ) -> np.ndarray:
        """The best point of every box over all starts, so many of which climb together."""
        low, high, middle, begin = (
            torch.from_numpy(np.array(one)).to(self.device) for one in (lower, upper, center, first)
        )
        starts = []
        for number in range(restarts):
            share = torch.rand(low.shape, generator=generator)
            if number == 0:
                start = begin.expand_as(low)
            else:  # odd restarts begin in a corner, even ones anywhere inside
                share = share.round() if number % 2 else share
                start = low + share.to(low) * (high - low)
            starts.append(torch.minimum(torch.maximum(start, low), high))
        best = middle.expand_as(low).clone()
        with torch.no_grad():
            height = self.overlap(best)
        for begun in range(0, restarts, together):
            count = len(starts[begun : begun + together])
            points = torch.cat(starts[begun : begun + together])
            ends = [end.repeat(count, *[1] * (end.ndim - 1)) for end in (low, high)]
            found, heights = self._climbed(points, *ends)
            for one, reached in zip(found.chunk(count), heights.chunk(count), strict=True):
                better = reached > height
                best[better], height[better] = one[better], reached[better]
        return best.cpu().numpy()

    def _climbed(self, points: Tensor, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
        """The best point that each climb from `points` met, and its height."""
        best, height = points.clone(), torch.full((len(points),), -torch.inf).to(points)
        for step in range(self.steps + 1):
            with torch.enable_grad():
                points = points.detach().requires_grad_()
                value = self.overlap(points)
                (slope,) = torch.autograd.grad(value.sum(), points)
            better = value.detach() > height
            height[better] = value.detach()[better]
            best[better] = points.detach()[better]
            size = (high - low) * (0.5 * (1 - step / (self.steps + 1)))
            moved = points.detach() + slope.sign() * size
            points = torch.minimum(torch.maximum(moved, low), high)
        return best, height
