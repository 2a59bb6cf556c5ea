"""How alike methods rank the groups, pair by pair."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from verixplain.metrics._base import spearman


@dataclass(frozen=True, eq=False)
class Agreement:
    """Rank correlations between the maps of every two methods.

    Args:
        methods: in the order of the tables.
        mean: over the inputs, (methods, methods); NaN where no input could be compared.
        count: of the inputs in it; inputs where a map failed or is constant are not.
    """

    methods: tuple[str, ...]
    mean: np.ndarray
    count: np.ndarray

    def pairs(self) -> list[dict[str, Any]]:
        """One line a pair: `first`, `second`, `mean` (None without any input), `count`."""
        return [
            {
                "first": self.methods[i],
                "second": self.methods[j],
                "mean": None if np.isnan(self.mean[i, j]) else float(self.mean[i, j]),
                "count": int(self.count[i, j]),
            }
            for i, j in zip(*np.triu_indices(len(self.methods), 1), strict=True)
        ]


def agreement(methods: Sequence[str], inputs: Sequence[Mapping[str, np.ndarray]]) -> Agreement:
    """Compare every two methods on every input.

    Args:
        methods: their names.
        inputs: of each, method -> scores (groups,), or anything that ranks them alike.

    Source: Spearman 1904, doi:10.2307/1412159.
    """
    size = len(methods)
    total, count = np.zeros((size, size)), np.zeros((size, size), dtype=int)
    for maps in inputs:
        for i in range(size):
            for j in range(i, size):
                if methods[i] not in maps or methods[j] not in maps:
                    continue
                found = spearman(maps[methods[i]], maps[methods[j]])
                if found is not None:
                    total[[i, j], [j, i]] = total[i, j] + found
                    count[[i, j], [j, i]] = count[i, j] + 1
    mean = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return Agreement(tuple(methods), mean, count)
