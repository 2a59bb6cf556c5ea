"""The nearest point of another class that attacks find, moved back to the boundary."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from verixplain.bounds import choose_device
from verixplain.errors import SettingError, TargetError
from verixplain.query import Query

Progress = Callable[[str, int, int], None]
NORMS = ("l2", "linf")
CANDIDATES = 8
"""How many successes of an attack, the nearest, are moved back to the boundary."""


@dataclass(frozen=True, eq=False)
class Boundary:
    """What a search found.

    Args:
        found: whether any attack succeeded; without, `point` is the input and says nothing.
        point: on the far side of the boundary, as near to it as the model's input type allows.
        distance: of the point to the input, in the search's norm; infinite where none was found.
        distances: likewise of every attack by itself.
        attack: which attack found the point.
    """

    found: bool
    point: np.ndarray
    distance: float
    distances: Mapping[str, float]
    attack: str


@dataclass(frozen=True)
class BoundarySearch:
    """Several attacks, each with a bisection back to the boundary; the nearest success wins.

    The winner is then moved along the boundary as long as its tangent plane has a nearer point.

    A point counts only where the target's overlap is positive, tested in float64 on numbers
    that the model's input type has.

    Args:
        attacks: any of deepfool, pgd, auto-pgd, cw.
        norm: l2 or linf; cw is always l2.
        steps: of every attack.
        restarts: starts of the two PGD attacks at every radius.
        seed: of the starts.

    Source: PGD Madry et al. 2018, arXiv:1706.06083; AutoPGD Croce and Hein 2020,
    arXiv:2003.01690 (its step rule, simplified); CW Carlini and Wagner 2017, arXiv:1608.04644
    (all constants at once); DeepFool Moosavi-Dezfooli et al. 2016, arXiv:1511.04599.
    """

    attacks: tuple[str, ...] = ("deepfool", "pgd", "auto-pgd", "cw")
    norm: str = "l2"
    steps: int = 40
    restarts: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        if self.norm not in NORMS:
            raise SettingError(f"no norm {self.norm!r}; there are: {', '.join(NORMS)}")
        for attack in self.attacks:
            if attack not in _ATTACKS:
                raise SettingError(f"no attack {attack!r}; there are: {', '.join(_ATTACKS)}")
        if not self.attacks or self.steps < 1 or self.restarts < 1:
            raise SettingError("a search needs an attack, steps >= 1 and restarts >= 1")

    def run(
        self,
        query: Query,
        clip: tuple[np.ndarray, np.ndarray] | None = None,
        device: str = "auto",
        progress: Progress | None = None,
    ) -> Boundary:
        """Search around the query's input; its box is not looked at.

        Args:
            query: network, input and target.
            clip: ends of the data range, which no point leaves; by default there are none.
            device: where the gradients are computed.
            progress: told after every attack.

        Raises:
            TargetError: the decision does not stand at the input, so no boundary is to be found.
        """
        surface = _Surface(query, clip, choose_device(device), self.norm)
        if not surface.height(surface.center[None])[0] < 0:
            raise TargetError(
                "the target does not hold at the input itself, so there is no boundary around it; "
                "explain the class that is predicted"
            )
        best, nearest, by = surface.center, np.inf, ""
        distances: dict[str, float] = {}
        generator = torch.Generator().manual_seed(self.seed)
        for number, attack in enumerate(self.attacks, start=1):
            points = _ATTACKS[attack](self, surface, nearest, generator)
            point, distances[attack] = surface.nearest(points)
            if distances[attack] < nearest:
                best, nearest, by = point, distances[attack], attack
            if progress is not None:
                progress("boundary", number, len(self.attacks))
        if by:
            best, nearest = _refined(surface, best, nearest, self.steps)
        return Boundary(bool(by), best.cpu().numpy(), float(nearest), distances, by)


class _Surface:
    """The overlap around one input, in float64; positive beyond the boundary."""

    def __init__(
        self, query: Query, clip: tuple[np.ndarray, np.ndarray] | None, device: str, norm: str
    ) -> None:
        self.network, self.norm = query.network, norm
        rows, offsets = query.target.matrix(self.network.outputs)
        center = query.box.center

        def tensor(values: np.ndarray) -> Tensor:
            return torch.tensor(np.asarray(values), dtype=torch.float64, device=device)

        self.center, self.rows, self.offsets = tensor(center), tensor(rows), tensor(offsets)
        low, high = clip if clip is not None else (-np.inf, np.inf)
        self.low = tensor(np.minimum(np.broadcast_to(low, center.shape), center))
        self.high = tensor(np.maximum(np.broadcast_to(high, center.shape), center))
        self.input_dtype = (
            torch.float64 if query.network.input_dtype is np.float64 else torch.float32
        )
        # How wide the data is: its range, or that of the input where none is known.
        width = (self.high - self.low).max() if clip is not None else center.max() - center.min()
        self.width = float(width) or 1.0

    def outputs(self, points: Tensor) -> Tensor:
        """Every row of the target: (batch, rows)."""
        return self.network.forward(points) @ self.rows.T + self.offsets

    @torch.no_grad()
    def height(self, points: Tensor) -> Tensor:
        """The overlap: (batch,)."""
        return torch.cat([self.outputs(part).amax(1) for part in points.split(256)])

    def slope(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """The overlap and its gradient."""
        with torch.enable_grad():
            points = points.detach().requires_grad_()
            height = self.outputs(points).amax(1)
            (slope,) = torch.autograd.grad(height.sum(), points)
        return height.detach(), slope

    def inside(self, points: Tensor) -> Tensor:
        """Points moved into the data range."""
        return torch.minimum(torch.maximum(points, self.low), self.high)

    def size(self, moves: Tensor, norm: str = "") -> Tensor:
        """Lengths of moves (batch, *input shape)."""
        flat = moves.flatten(1)
        return flat.norm(dim=1) if (norm or self.norm) == "l2" else flat.abs().amax(1)

    def wide(self, numbers: Tensor) -> Tensor:
        """One number a point, to multiply points with."""
        return numbers.reshape(-1, *[1] * self.center.ndim)

    def unit(self, slopes: Tensor) -> Tensor:
        """The direction in which a move of length one climbs most."""
        if self.norm == "linf":
            return slopes.sign()
        return slopes / self.wide(self.size(slopes, "l2").clamp(min=1e-300))

    def project(self, points: Tensor, radii: Tensor) -> Tensor:
        """Points moved into balls around the center and into the data range."""
        moves, wide = points - self.center, self.wide(radii)
        if self.norm == "linf":
            moves = torch.minimum(torch.maximum(moves, -wide), wide)
        else:
            moves = moves * (wide / self.wide(self.size(moves)).clamp(min=1e-300)).clamp(max=1)
        return self.inside(self.center + moves)

    def on_way(self, shares: Tensor, points: Tensor) -> Tensor:
        """Places on the way to every point, as the model's input type has them."""
        places = self.inside(self.center + self.wide(shares) * (points - self.center))
        return places.to(self.input_dtype).double()

    def nearest(self, points: Tensor) -> tuple[Tensor, float]:
        """The nearest success after bisection, and its distance (the center and infinity: none)."""
        points = points.to(self.input_dtype).double()
        points = points[self.size(points - self.center).argsort()]
        points = points[self.height(points) > 0][:CANDIDATES] if len(points) else points
        if not len(points):
            return self.center, float("inf")
        good = torch.ones(len(points), dtype=torch.float64, device=points.device)
        bad, found = torch.zeros_like(good), points.clone()
        for _ in range(40):
            middle = (good + bad) / 2
            places = self.on_way(middle, points)
            beyond = self.height(places) > 0
            good, bad = torch.where(beyond, middle, good), torch.where(beyond, bad, middle)
            found[beyond] = places[beyond]
        lengths = self.size(found - self.center)
        best = int(lengths.argmin())
        return found[best], float(lengths[best])


def _refined(surface: _Surface, best: Tensor, nearest: float, steps: int) -> tuple[Tensor, float]:
    """From a boundary point to the foot on its tangent plane, as long as that is nearer."""
    beyond = torch.tensor([1.0, 1.01, 1.05, 1.2], dtype=torch.float64, device=best.device)
    for _ in range(steps):
        _, slope = surface.slope(best[None])
        dual = slope.norm() if surface.norm == "l2" else slope.abs().sum()
        length = (slope * (best - surface.center)).sum() / dual.clamp(min=1e-300)
        foot = surface.wide(length * beyond) * surface.unit(slope)
        point, found = surface.nearest(surface.inside(surface.center + foot))
        if not found < nearest * (1 - 1e-4):
            return best, nearest
        best, nearest = point, found
    return best, nearest


def _radii(surface: _Surface, nearest: float) -> Tensor:
    """Radii at which to look: about that of the nearest success, or over all of the data."""
    center = surface.center
    if np.isfinite(nearest):
        shares, largest = [0.7, 0.85, 1.0, 1.2, 1.5], nearest
    else:
        shares = [2.0**-k for k in range(7)]
        largest = surface.width * (center.numel() ** 0.5 if surface.norm == "l2" else 1.0)
    return torch.tensor(shares, dtype=torch.float64, device=center.device) * largest


def _starts(search: BoundarySearch, surface: _Surface, radii: Tensor, generator) -> Tensor:
    """The center, and then random points of every ball."""
    shape = (len(radii), *surface.center.shape)
    moves = torch.randn(shape, generator=generator, dtype=torch.float64).to(radii.device)
    moves[: len(radii) // search.restarts] = 0
    return surface.project(surface.center + surface.wide(radii) * surface.unit(moves), radii)


def _pgd(search: BoundarySearch, surface: _Surface, nearest: float, generator) -> Tensor:
    """Steps of `2.5 * radius / steps` up the overlap; the first success of every start."""
    radii = _radii(surface, nearest).repeat(search.restarts)
    points = _starts(search, surface, radii, generator)
    found: list[Tensor] = []
    for _ in range(search.steps):
        height, slope = surface.slope(points)
        found.append(points[height > 0])
        points, radii = points[height <= 0], radii[height <= 0]
        if not len(points):
            break
        step = surface.wide(2.5 * radii / search.steps)
        points = surface.project(points + step * surface.unit(slope[height <= 0]), radii)
    return torch.cat([*found, points])


def _auto_pgd(search: BoundarySearch, surface: _Surface, nearest: float, generator) -> Tensor:
    """Steps with momentum from `2 * radius` on, halved where it stalls, then from the best."""
    radii = _radii(surface, nearest).repeat(search.restarts)
    points = _starts(search, surface, radii, generator)
    before, best = points, points
    highest = surface.height(points)
    size, climbs, since = 2 * radii, torch.zeros_like(radii), 0
    checks = max(1, search.steps // 6)
    for _ in range(search.steps):
        _, slope = surface.slope(points)
        goal = surface.project(points + surface.wide(size) * surface.unit(slope), radii)
        after = surface.project(points + 0.75 * (goal - points) + 0.25 * (points - before), radii)
        before, points = points, after
        height = surface.height(points)
        climbed = height > highest
        climbs += climbed
        best = torch.where(surface.wide(climbed), points, best)
        highest = torch.maximum(height, highest)
        since += 1
        if since == checks:
            stalled = climbs < 0.75 * checks
            size = torch.where(stalled, size / 2, size)
            points = torch.where(surface.wide(stalled), best, points)
            climbs, since = torch.zeros_like(radii), 0
    return best


def _cw(search: BoundarySearch, surface: _Surface, nearest: float, generator) -> Tensor:
    """Adam on `|move|^2 + c * max(0, -overlap)`, for nine constants c at once."""
    center = surface.center
    base = surface.width**2 / max(1e-12, -float(surface.height(center[None])[0]))
    powers = torch.arange(-4, 5, dtype=torch.float64, device=center.device)
    constants = base * 10**powers
    points = center.expand(len(constants), *center.shape).clone()
    first, second = torch.zeros_like(points), torch.zeros_like(points)
    rate = 0.02 * surface.width
    found = []
    for step in range(1, 2 * search.steps + 1):
        height, slope = surface.slope(points)
        found.append(points[height > 0])
        pull = surface.wide(torch.where(height <= 0, constants, 0.0)) * slope
        total = 2 * (points - center) - pull
        first, second = 0.9 * first + 0.1 * total, 0.999 * second + 0.001 * total**2
        move = (first / (1 - 0.9**step)) / ((second / (1 - 0.999**step)).sqrt() + 1e-12)
        points = surface.inside(points - rate * (1 - step / (2 * search.steps + 1)) * move)
    return torch.cat([*found, points])


def _deepfool(search: BoundarySearch, surface: _Surface, nearest: float, generator) -> Tensor:
    """Repeatedly to the nearest of the rows' tangent planes, two hundredths beyond."""
    point = surface.center[None]
    for _ in range(search.steps):
        with torch.enable_grad():
            moving = point.detach().requires_grad_()
            rows = surface.outputs(moving)[0]
            slopes = [torch.autograd.grad(row, moving, retain_graph=True)[0] for row in rows]
        rows, steep = rows.detach(), torch.cat(slopes)
        if float(rows.max()) > 0:
            break
        blocked = ((point >= surface.high) & (steep > 0)) | ((point <= surface.low) & (steep < 0))
        steep = torch.where(blocked, 0.0, steep)
        dual = surface.size(steep, "l2") if surface.norm == "l2" else steep.flatten(1).abs().sum(1)
        distances = torch.where(dual > 0, -rows / dual.clamp(min=1e-300), torch.inf)
        row = int(distances.argmin())
        if not torch.isfinite(distances[row]):
            break
        length = distances[row] + 1e-6 * surface.width
        point = surface.inside(point + 1.02 * length * surface.unit(steep[row][None]))
    return point


_ATTACKS = {"deepfool": _deepfool, "pgd": _pgd, "auto-pgd": _auto_pgd, "cw": _cw}
