"""Branch and bound: one tree over the phases of neurons serves every group.

A leaf is the part of the box where some ReLUs are active and some are not; the leaves cover the
box. On a leaf the split neurons are linear, and that they are is a constraint `s z >= 0`, which a
backward pass may add to its rows with any multiplier `beta >= 0`. So whatever holds for one pass
on the box holds for every group on every leaf: its own intervals from the parent pass, slopes and
multipliers found by gradient. The bound over `B_u` is the largest over the leaves, and no bound
ever grows, since a leaf starts with those of the leaf that it was split from.

Splits are made where they can settle something: of the leaves, the one whose bounds stand in the
way of most of what is wanted; of its neurons, the one whose relaxation costs those bounds most.

Source: beta-CROWN (Wang et al. 2021, arXiv:2103.06624); the choice of a neuron is the first part
of BaBSR's (Bunel et al. 2020, arXiv:1909.06588); one tree for all groups is ours.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from verixplain.bounds import Engine
from verixplain.bounds._lirpa import undisturbed
from verixplain.bounds.adam import Adam
from verixplain.bounds.backward import Open, univariate_lines
from verixplain.bounds.parent import Parent
from verixplain.errors import UnsupportedBoundError
from verixplain.features import Groups
from verixplain.network.primitives import Univariate
from verixplain.query import Box, Target

Split = tuple[str, int, int]
"""A value of the plan, a number of it (flattened), and +1 where it is not negative, -1 where it
is not positive."""

Pair = tuple[int, int, int]
"""Numbers of a leaf, a row and a group."""

_TOGETHER = 256
"""Bounds that are made together at most."""
_FEW, _NUMBERS = 16, 400_000
"""Groups that get passes of their own, at least, and the numbers that such passes handle."""
_RATE = 0.3
"""Of the gradient steps; multipliers are counted in sizes of their row's coefficient."""
_BELOW = 0.01
"""What a lower line that is off counts, against an upper one: next to nothing. Measured over eight
small networks, 1 takes a third more nodes, and upper lines alone leave some neurons out."""


@dataclass(frozen=True, eq=False)
class Leaf:
    """A part of the box.

    Args:
        splits: the phases that make it.
        upper: upper bounds of every row over its part of every B_u, (rows, groups).
        following: the neuron to split next; None where none is left that would help.
        multipliers: of every bound made here, by row and group: a number for every split.
    """

    splits: tuple[Split, ...]
    upper: np.ndarray
    following: tuple[str, int] | None = None
    multipliers: Mapping[tuple[int, int], np.ndarray] = field(default_factory=dict)

    def halves(self) -> list["Leaf"]:
        """The two leaves that it is split into, with its own bounds."""
        if self.following is None:
            return []
        return [
            Leaf((*self.splits, (*self.following, phase)), self.upper, None, self.multipliers)
            for phase in (+1, -1)
        ]


class Tree:
    """The leaves of one box, and the bounds that they give.

    Args:
        engine: the network in float64 on one device.
        box: the box.
        groups: any; the last of the tree's groups is one more, which freezes nothing.
        target: whose rows are bounded.
        upper: bounds that are known already: (rows, groups + 1).
        iterations: gradient steps of every bound.

    Raises:
        UnsupportedBoundError: no step of the network has phases.
    """

    def __init__(
        self,
        engine: Engine,
        box: Box,
        groups: Groups,
        target: Target,
        upper: np.ndarray,
        iterations: int = 20,
    ) -> None:
        wider = Groups(groups.shape, (*groups.members, np.array([], int)), (*groups.names, "none"))
        self.parent = Parent(engine, box, wider, target, "crown", None, None)
        self.iterations, self.nodes = iterations, 0
        with torch.no_grad(), undisturbed(engine.dtype):
            self.parent.run(iterations)
        plan = self.parent.plan
        self.phased = {
            step.inputs[0]: step.kind
            for step in plan.steps
            if isinstance(step.kind, Univariate) and step.kind.native is not None
        }
        if not self.phased:
            raise UnsupportedBoundError("no neuron of this network has phases to split")
        shared = self.parent.rows_refined()
        self.leaves = [Leaf((), np.minimum(upper, shared))]
        self.groups = np.zeros(0, dtype=np.int64)
        self.points = np.zeros((0, *box.center.shape))

    @property
    def upper(self) -> np.ndarray:
        """Upper bounds of every row over every B_u, and last over B: (rows, groups + 1)."""
        return np.stack([leaf.upper for leaf in self.leaves]).max(axis=0)

    def grow(self, wanted: Sequence[np.ndarray]) -> int:
        """Split the leaves that stand in the way of most of what is wanted.

        Afterwards `groups` and `points` are inputs where linear bounds are largest, and the
        group whose B_u each lies in: good starts of an attack.

        Args:
            wanted: for every group, and last for the box: numbers that its bound would be of use
                below.

        Returns:
            How many leaves were looked at; 0 where no split can help.
        """
        if self.nodes == 0:
            self.nodes = 1
            (leaf,) = self.leaves
            self.leaves = self._bounded([leaf], wanted)
            return 1
        keys = []
        for number, leaf in enumerate(self.leaves):
            blocked = _weights(leaf.upper.max(axis=0)[None], wanted).sum()
            if leaf.following is not None and blocked:
                keys.append((-blocked, -leaf.upper.max(), number))
        chosen, count, halves = [], 0, []
        for _, _, number in sorted(keys):
            leaf = self.leaves[number]
            count += 2 * int((_weights(leaf.upper, wanted) > 0).sum())
            if chosen and count > _TOGETHER:
                break
            chosen.append(number)
            halves += leaf.halves()
        if not chosen:
            return 0
        self.nodes += len(chosen)
        rest = [leaf for number, leaf in enumerate(self.leaves) if number not in set(chosen)]
        self.leaves = rest + self._bounded(halves, wanted)
        return len(chosen)

    def again(self, pairs: list[Pair]) -> Iterator[tuple[list[Pair], "_Bounds"]]:
        """Bounds of the leaves' rows over groups, made again: for whoever asks how."""
        size = self._at_once()
        for start in range(0, len(pairs), size):
            part = pairs[start : start + size]
            with undisturbed(self.parent.engine.dtype):
                yield part, _Bounds(self, self.leaves, part).run()

    def _bounded(self, leaves: list[Leaf], wanted: Sequence[np.ndarray]) -> list[Leaf]:
        """Better bounds of leaves, where they are of use.

        First one pass for every row, whose coefficients serve all groups; then passes of their own
        for the groups that are still most in the way.
        """
        work = _Work(leaves)
        self.groups, self.points = self.groups[:0], self.points[:0]
        last = len(wanted) - 1
        weights = [_weights(one, wanted) for one in work.upper]
        self._pass(
            work,
            [
                (float(weight[row].sum()), (k, row, last))
                for k, weight in enumerate(weights)
                for row in np.flatnonzero(weight.any(axis=1)).tolist()
            ],
        )
        weights = [_weights(one, wanted)[:, :last] for one in work.upper]
        heaviest = sorted(
            (
                (float(weight[row, u]), (k, int(row), int(u)))
                for k, weight in enumerate(weights)
                for row, u in np.argwhere(weight > 0)
            ),
            reverse=True,
        )
        self._pass(work, heaviest[: max(_FEW, _NUMBERS // self._numbers())])
        return work.leaves()

    def _pass(self, work: "_Work", pairs: list[tuple[float, Pair]]) -> None:
        """Bounds of a leaf's row over a group each, with what they weigh; kept where better."""
        size = self._at_once()
        for start in range(0, len(pairs), size):
            weights, part = zip(*pairs[start : start + size], strict=True)
            with undisturbed(self.parent.engine.dtype):
                found = _Bounds(self, work.before, list(part)).run()
            work.keep(list(part), list(weights), found)
            self.groups = np.append(self.groups, [u for _, _, u in part])
            self.points = np.concatenate([self.points, found.points])

    def _at_once(self) -> int:
        """Bounds made together."""
        return max(1, min(_TOGETHER, self.parent.engine.memory() // (192 * self._numbers())))

    def _numbers(self) -> int:
        """How many numbers one run of the network makes."""
        return sum(int(np.prod(shape)) for shape in self.parent.plan.shapes.values())


class _Work:
    """Bounds of some leaves, as they get better.

    Args:
        before: the leaves with the bounds that they have.
    """

    def __init__(self, before: list[Leaf]) -> None:
        self.before = before
        self.upper = [leaf.upper.copy() for leaf in before]
        self.multipliers = [dict(leaf.multipliers) for leaf in before]
        self.scores: list[dict[str, np.ndarray]] = [{} for _ in before]

    def keep(self, pairs: list[Pair], weights: list[float], found: "_Bounds") -> None:
        """Take what is better, and count what each neuron costs."""
        last = self.upper[0].shape[1] - 1
        for number, (k, row, u) in enumerate(pairs):
            better = np.full(last + 1, np.inf)
            better[u] = found.upper[number]
            if u == last:
                better = found.shared[number]
            for group in np.flatnonzero(better < self.upper[k][row]):
                self.upper[k][row, group] = better[group]
                self.multipliers[k][row, int(group)] = found.betas[number]
            for name, costs in found.costs.items():
                self.scores[k][name] = self.scores[k].get(name, 0) + weights[number] * costs[number]

    def leaves(self) -> list[Leaf]:
        """The leaves with their better bounds, and the neurons to split them on."""
        return [
            Leaf(leaf.splits, upper, _dearest(score), betas)
            for leaf, upper, score, betas in zip(
                self.before, self.upper, self.scores, self.multipliers, strict=True
            )
        ]


def _weights(upper: np.ndarray, wanted: Sequence[np.ndarray]) -> np.ndarray:
    """How many of the wanted numbers each bound is not below: as `upper`, (rows, groups)."""
    return np.stack(
        [(upper[:, u, None] >= numbers[None]).sum(axis=1) for u, numbers in enumerate(wanted)],
        axis=1,
    )


def _dearest(scores: Mapping[str, np.ndarray]) -> tuple[str, int] | None:
    """The neuron of the largest score; None where all are 0."""
    best, most = None, 0.0
    for name, costs in scores.items():
        place = int(costs.argmax())
        if costs[place] > most:
            best, most = (name, place), float(costs[place])
    return best


class _Bounds:
    """Bounds of some rows over some groups' parts of some leaves, by gradient.

    Attributes:
        upper: the best bound of each, (n,).
        shared: what its coefficients say of every group; of use where the pair's freezes nothing.
        betas: the multipliers of its leaf's splits, an array each.
        alphas: slopes of the lines below, (n, *shape) by value.
        points: where the linear bound is largest, (n, *input shape).
        costs: what each neuron's relaxation adds to the bound, (n, neurons) by value.
    """

    def __init__(self, tree: Tree, leaves: list[Leaf], pairs: list[tuple[int, int, int]]) -> None:
        self.tree, self.parent, self.pairs = tree, tree.parent, pairs
        self.leaves = [leaves[k] for k, _, _ in pairs]
        parent, device = tree.parent, tree.parent.engine.device
        self.rows = torch.tensor([row for _, row, _ in pairs], device=device)
        part = torch.tensor([u for _, _, u in pairs], device=device)
        self.held = parent.frozen(part)
        self.bounded = {}
        for name, ends in parent.within(part, self.held).items():
            low, high = ends.full() if isinstance(ends, Open) else ends
            self.bounded[name] = (low, high)
        self.empty = torch.zeros(len(pairs), dtype=torch.bool, device=device)
        self.index, self.sign, self.beta = {}, {}, {}
        for name in sorted({split[0] for leaf in self.leaves for split in leaf.splits}):
            self._split(name)

    def _split(self, name: str) -> None:
        """The phases of one value's neurons: their intervals, and places for multipliers."""
        count, device = len(self.pairs), self.held.device
        found = [
            (number, place, phase, place_in_leaf)
            for number, leaf in enumerate(self.leaves)
            for place_in_leaf, (value, place, phase) in enumerate(leaf.splits)
            if value == name
        ]
        at, places, phases, inside = (np.array(column) for column in zip(*found, strict=True))
        index, which = np.unique(places, return_inverse=True)
        self.index[name] = torch.as_tensor(index, device=device)
        sign, beta = np.zeros((count, len(index))), np.zeros((count, len(index)))
        sign[at, which] = phases
        for number, column, place in zip(at, which, inside, strict=True):
            known = self.leaves[number].multipliers.get(self.pairs[number][1:])
            if known is not None and place < len(known):
                beta[number, column] = known[place]
        low, high = (
            end.expand(count, *end.shape[1:]).flatten(1).clone() for end in self.bounded[name]
        )
        shape = (count, *self.bounded[name][0].shape[1:])
        signs = torch.as_tensor(sign, dtype=low.dtype, device=device)
        begin, end = low[:, self.index[name]], high[:, self.index[name]]
        begin = torch.where(signs > 0, begin.clamp(min=0), begin)
        end = torch.where(signs < 0, end.clamp(max=0), end)
        self.empty |= (begin > end).any(1)
        low[:, self.index[name]] = torch.minimum(begin, end)
        high[:, self.index[name]] = end
        self.bounded[name] = low.reshape(shape), high.reshape(shape)
        self.sign[name] = signs
        self.beta[name] = torch.as_tensor(beta, dtype=low.dtype, device=device)

    def run(self) -> "_Bounds":
        """Slopes and multipliers that lower the bounds, a few steps of them."""
        parent, count = self.parent, len(self.pairs)
        begin = parent.matrix[self.rows].reshape(count, *parent.plan.shapes[parent.plan.output])
        alphas, flats = {}, {}
        for name, kind in self.tree.phased.items():
            low, high = self.bounded[name]
            flats[name] = float(dict(kind.parameters).get("alpha", 0.0))
            if parent.slopes is not None and name in parent.slopes:
                start = parent.slopes[name][self.rows].clone()
            else:
                start = univariate_lines(kind, low, high).lower_slope
                start = start.expand(count, *low.shape[1:]).clone()
            alphas[name] = start.requires_grad_()
        seen: dict[str, Tensor] = {}
        with torch.no_grad():
            self._above(begin, alphas, {}, seen)
        scale = {
            name: seen[name].flatten(1)[:, index].abs() + 1e-6 for name, index in self.index.items()
        }
        units = {name: (beta / scale[name]).requires_grad_() for name, beta in self.beta.items()}
        optimiser = Adam([*alphas.values(), *units.values()], _RATE)
        best = torch.full((count,), torch.inf, dtype=begin.dtype, device=begin.device)
        far = torch.zeros((count, len(parent.center)), dtype=begin.dtype, device=begin.device)
        kept = {name: beta.clone() for name, beta in self.beta.items()}
        self.alphas = {name: alpha.detach().clone() for name, alpha in alphas.items()}
        for step in range(self.tree.iterations + 1):
            seen.clear()
            with torch.enable_grad():
                betas = {name: unit * scale[name] for name, unit in units.items()}
                value, slopes = self._above(begin, alphas, betas, seen)
                if step < self.tree.iterations:
                    value.sum().backward()
            better = value.detach() < best
            best = torch.where(better, value.detach(), best)
            far[better] = slopes.detach()[better]
            for name, beta in betas.items():
                kept[name][better] = beta.detach()[better]
            for name, alpha in alphas.items():
                self.alphas[name][better] = alpha.detach()[better]
            if step < self.tree.iterations:
                optimiser.step()
                for name, alpha in alphas.items():
                    alpha.data.clamp_(flats[name], 1.0)
                for unit in units.values():
                    unit.data.clamp_(min=0.0)
        return self._kept(best, far, kept, seen, alphas)

    def _above(
        self,
        rows: Tensor,
        alphas: Mapping[str, Tensor],
        betas: Mapping[str, Tensor],
        seen: dict[str, Tensor],
    ) -> tuple[Tensor, Tensor]:
        """One backward pass: bounds (n,), and the coefficients of the input."""
        parent, added = self.parent, {}
        for name, beta in betas.items():
            shape = parent.plan.shapes[name]
            flat = rows.new_zeros(len(rows), int(np.prod(shape)))
            flat = flat.index_add(1, self.index[name], beta * self.sign[name])
            added[name] = flat.reshape(len(rows), *shape)
        return parent.over(rows, self.rows, self.bounded, self.held, alphas, added, seen)

    def _kept(
        self,
        best: Tensor,
        far: Tensor,
        kept: Mapping[str, Tensor],
        seen: Mapping[str, Tensor],
        alphas: Mapping[str, Tensor],
    ) -> "_Bounds":
        parent = self.parent
        shared = parent.over_groups(best.to(far.dtype), far, +1).masked_fill(
            self.empty[:, None], -torch.inf
        )
        self.shared = parent.numbers(shared)
        self.upper = parent.numbers(best.masked_fill(self.empty, -torch.inf))
        self.betas = []
        for number, leaf in enumerate(self.leaves):
            place = {name: self.index[name].tolist() for name in self.index}
            self.betas.append(
                np.array([kept[n][number, place[n].index(i)].item() for n, i, _ in leaf.splits])
            )
        self.costs = {}
        for name, row in seen.items():
            if name in self.tree.phased:
                self.costs[name] = self._cost(name, row, alphas[name].detach()).cpu().numpy()
        self.points = parent.furthest(far, self.held)
        return self

    def _cost(self, name: str, row: Tensor, slope: Tensor) -> Tensor:
        """What the two lines of each neuron can be off by, times its coefficient: (n, neurons)."""
        kind, (low, high) = self.tree.phased[name], self.bounded[name]
        above = univariate_lines(kind, low, high).upper_offset
        flat = float(dict(kind.parameters).get("alpha", 0.0))
        open_ = (low < 0) & (high > 0)
        below = torch.maximum((1 - slope) * high, (slope - flat) * -low)
        below = torch.where(open_, below, 0.0)
        return (row.clamp(min=0) * above - _BELOW * row.clamp(max=0) * below).flatten(1)
