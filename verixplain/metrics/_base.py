"""What every metric shares: what it is given, what it gives, and what it says about itself."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from verixplain.attribution._base import Attribution, Explained
from verixplain.errors import InputError, NotFiniteError, SettingError
from verixplain.explanation import Explanation

KINDS = ("faithfulness", "robustness", "localisation", "complexity", "agreement")


@dataclass(frozen=True, eq=False)
class Sample:
    """One map, and what a metric may look at beside it.

    Args:
        explanation: the map with its query; metrics look at the scores of the query's groups.
        method: that made it, for metrics that explain again.
        mask: where the object is, bool in the input's shape, for localisation.
        verify: gives the verified map (EVA's, with the order it decides) of the same query.
    """

    explanation: Explanation
    method: Any = None
    mask: np.ndarray | None = None
    verify: Callable[[], Explanation] | None = None

    @property
    def scores(self) -> np.ndarray:
        """Of every group."""
        return self.explanation.group_scores

    @cached_property
    def ranked(self) -> np.ndarray:
        """Numbers of the groups, most important first.

        Equal scores stand in a seeded random order: how groups are numbered must not help.
        """
        shuffled = np.random.default_rng(0).permutation(len(self.scores))
        return shuffled[np.argsort(-self.scores[shuffled], kind="stable")]

    @cached_property
    def inside(self) -> np.ndarray:
        """Which groups have more than half of their inputs in the mask.

        Raises:
            InputError: there is no mask, it does not fit, or no group is inside.
        """
        query = self.explanation.query
        if self.mask is None:
            raise InputError("localisation needs a mask of where the object is (--masks FILE)")
        if self.mask.shape != query.network.input_shape:
            raise InputError(
                f"the mask is {self.mask.shape}, the input {query.network.input_shape}"
            )
        found = np.array([self.mask.flat[g].mean() > 0.5 for g in query.groups.members if len(g)])
        if len(found) < len(query.groups) or not found.any():
            raise InputError("no group lies in the mask, or a group is empty")
        return found

    @property
    def verified(self) -> Explanation:
        """The verified map of the same query."""
        if self.verify is None:
            raise InputError("this metric needs the verified map of the query, and none was given")
        return self.verify()

    def explained(self, quantity: str) -> Explained:
        """The query's number that is looked at: class, margin or probability."""
        return Explained(self.explanation.query, Attribution(quantity=quantity), None)


@dataclass(frozen=True)
class Measured:
    """What a metric found.

    Args:
        value: the number.
        lower: what bounds show that it is at least, an `estimate` since no checker saw them;
            None where nothing bounds it.
        undefined: why the number is only a convention here (a constant map, say), or "".
        details: what else a reader may want, plain values.

    Raises:
        NotFiniteError: the number is NaN or infinite.
    """

    value: float
    lower: float | None = None
    undefined: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not all(np.isfinite(one) for one in (self.value, self.lower) if one is not None):
            raise NotFiniteError(f"a metric gave {self.value} (lower {self.lower})")


class Metric:
    """A number about one map; its settings are its dataclass's fields.

    Attributes:
        kind: one of `KINDS`.
        direction: `higher` or `lower`, which is better.
        unit: of the number.
        range: the smallest and largest it can be, with the default settings.
        looks_at: what is read of the network: `probability`, `logits`, or `nothing`.
        replaces: what inputs are replaced by, where they are.
        needs: `mask`, `method`, `verified map`, `image`, or "" for the map alone.
        pools: what stands for many inputs.
    """

    kind: ClassVar[str]
    direction: ClassVar[str]
    unit: ClassVar[str]
    range: ClassVar[tuple[float, float]]
    looks_at: ClassVar[str] = "nothing"
    replaces: ClassVar[str] = ""
    needs: ClassVar[str] = ""
    pools: ClassVar[str] = "mean"

    @property
    def name(self) -> str:
        """The metric's name, which is its file's."""
        return type(self).__module__.rsplit(".", 1)[-1].replace("_", "-")

    def settings(self) -> dict[str, Any]:
        """The fields by name."""
        return {one.name: getattr(self, one.name) for one in fields(self)}  # type: ignore[arg-type]

    def measure(self, sample: Sample) -> Measured:
        """Measure one map.

        Raises:
            InputError: something is missing that the metric needs.
            SettingError: the query is not one that the metric can be asked about.
        """
        raise NotImplementedError

    def pooled(self, rows: Sequence[Mapping[str, Any]]) -> tuple[float, float | None]:
        """One number for many inputs, and its standard error (None below two inputs).

        Args:
            rows: at least one; each with `value` and `details`, as `Measured` has them.
        """
        values = np.array([row["value"] for row in rows])
        spread = float(values.std(ddof=1) / len(values) ** 0.5) if len(values) > 1 else None
        return float(values.mean()), spread


def share(name: str, value: Any) -> None:
    """Refuse a setting that is no share of a whole."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 1:
        raise SettingError(f"{name} must lie above 0 and be at most 1, not {value!r}")


def spearman(first: np.ndarray, second: np.ndarray) -> float | None:
    """The rank correlation; None where one of them is constant."""
    from scipy.stats import spearmanr

    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    found: Any = spearmanr(first, second)
    return float(np.clip(found.statistic, -1, 1))
