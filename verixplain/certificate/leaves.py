"""The leaves of branch and bound as a certificate names them, with slopes and multipliers.

The bounds of the run may be those of leaves that were split further; here every leaf that is left
is bounded again, by one pass for all groups and by passes for those that are still in the way.
"""

import numpy as np

from verixplain.bounds.split import Pair, Tree
from verixplain.certificate.draft import Leaves, layers
from verixplain.query import Query

MOST_PASSES = 3000
"""Of a certificate: what more of them would prove is left an estimate."""


def leaves(query: Query, tree: Tree, enough: np.ndarray) -> Leaves | None:
    """Passes that bound the rows over every leaf.

    Args:
        query: network, box and rows.
        tree: made for the groups of the query, and for none.
        enough: (rows, groups + 1), the last for no group: bounds not above need no pass.

    Returns:
        What the certificate says; None where it would be too long.
    """
    count, last = len(tree.leaves), enough.shape[1] - 1
    rows = np.flatnonzero((enough < np.inf).any(axis=1))
    if len(rows) * count > MOST_PASSES:  # leave out what the tree's own slopes need no leaf for
        rows = np.flatnonzero((tree.parent.rows_refined() > enough).any(axis=1))
    shared = [(k, int(row), last) for k in range(count) for row in rows]
    if not len(rows) or len(shared) > MOST_PASSES:
        return None
    made = _Passes(query, tree)
    own: list[tuple[float, Pair]] = []
    for part, found in tree.again(shared):
        made.add(part, found)
        for (k, row, _), bounds in zip(part, found.shared, strict=True):
            excess = (bounds - enough[row])[:last]
            own += [(float(excess[u]), (k, row, int(u))) for u in np.flatnonzero(excess > 0)]
    own.sort()
    for part, found in tree.again([pair for _, pair in own[: MOST_PASSES - len(shared)]]):
        made.add(part, found)
    return made.leaves(last)


class _Passes:
    """Passes, their multipliers and slopes, as they are made."""

    def __init__(self, query: Query, tree: Tree) -> None:
        self.tree, plan = tree, tree.parent.plan
        steps = {step.name: step for step in plan.steps}
        named = {name: steps[plan.resolve(name)].inputs[0] for name in layers(query)
                 if plan.resolve(name) in steps}  # fmt: skip
        self.layers = {name: value for name, value in named.items() if value in tree.phased}
        self.passes: list[Pair] = []
        self.betas: list[np.ndarray] = []
        self.columns, self.alphas = {}, {name: [] for name in self.layers}
        for name, value in self.layers.items():
            low, high = (end.flatten().cpu().numpy() for end in tree.parent.bounded[value])
            self.columns[name] = np.flatnonzero((low < 0) & (high > 0)).astype(np.int32)

    def add(self, part: list[Pair], found) -> None:
        self.passes += part
        self.betas += found.betas
        for name, value in self.layers.items():
            flat = float(dict(self.tree.phased[value].parameters).get("alpha", 0.0))
            alphas = found.alphas[value].flatten(1).cpu().numpy()[:, self.columns[name]]
            share = (alphas - flat) / max(1.0 - flat, 1e-9)
            self.alphas[name].append(np.rint(255 * share.clip(0, 1)).astype(np.uint8))

    def leaves(self, last: int) -> Leaves:
        names, tree = list(self.layers), self.tree
        number = {value: place for place, value in enumerate(self.layers.values())}
        sizes = [len(leaf.splits) for leaf in tree.leaves]
        splits = [(number[v], i, s) for leaf in tree.leaves for v, i, s in leaf.splits]
        beta = np.zeros((len(self.passes), max(sizes)), np.float32)
        for place, one in enumerate(self.betas):
            beta[place, : len(one)] = np.maximum(one, 0.0)
        passes = np.array(self.passes, np.int32)
        passes[passes[:, 2] == last, 2] = -1
        arrays = {
            "layers": names,
            "starts": np.cumsum([0, *sizes]).astype(np.int32),
            "splits": np.array(splits, np.int32).reshape(-1, 3),
            "passes": passes,
            "multipliers": beta,
        }
        slopes = {
            name: {"columns": self.columns[name], "upper": np.concatenate(parts)}
            for name, parts in self.alphas.items()
            if len(self.columns[name])
        }
        return Leaves(arrays, slopes)
