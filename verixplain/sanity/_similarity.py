"""How alike two maps are, in several ways; None where a map is constant and cannot be compared."""

from collections.abc import Callable
from functools import partial

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.stats import rankdata

from verixplain.errors import GroupsError
from verixplain.features import Plane, plane
from verixplain.query import Query

TOP = 0.1
"""Share of the groups that `top` compares; at least one."""

Similarity = Callable[[np.ndarray, np.ndarray], float | None]


def similarities(query: Query) -> dict[str, Similarity]:
    """Every measure that fits the query, of two arrays of scores (groups,)."""
    found: dict[str, Similarity] = {
        "spearman": spearman,
        "spearman-absolute": lambda one, other: spearman(np.abs(one), np.abs(other)),
        "cosine": cosine,
        "top": top,
    }
    try:
        image = plane(query.network.input_shape, query.network.card.layout)
    except GroupsError:
        return found
    return {**found, "ssim": partial(ssim, query, image)}


def spearman(one: np.ndarray, other: np.ndarray) -> float | None:
    """Correlation of the ranks."""
    return _correlation(rankdata(one), rankdata(other))


def _correlation(one: np.ndarray, other: np.ndarray) -> float | None:
    return cosine(one - one.mean(), other - other.mean()) if _vary(one, other) else None


def cosine(one: np.ndarray, other: np.ndarray) -> float | None:
    """Cosine of the angle between the scores."""
    if not _vary(one, other):
        return None
    one, other = one / np.abs(one).max(), other / np.abs(other).max()
    return float(np.clip(one @ other / np.sqrt((one @ one) * (other @ other)), -1, 1))


def top(one: np.ndarray, other: np.ndarray) -> float | None:
    """Share of the best tenth of the groups that both maps have in common."""
    if not _vary(one, other):
        return None
    count = max(1, round(TOP * len(one)))
    best = [set(np.argsort(-scores, kind="stable")[:count]) for scores in (one, other)]
    return len(best[0] & best[1]) / count


def ssim(query: Query, image: Plane, one: np.ndarray, other: np.ndarray) -> float | None:
    """Structural similarity of the maps as pictures, each from 0 to 1, with a Gaussian window.

    Source: Wang et al. 2004, doi:10.1109/TIP.2003.819861.
    """
    if not _vary(one, other):
        return None
    first, second = (_picture(query, image, scores) for scores in (one, other))

    def blur(values: np.ndarray) -> np.ndarray:
        return gaussian_filter(values, 1.5, truncate=3.5)

    means = blur(first), blur(second)
    variances = [blur(p * p) - m * m for p, m in zip((first, second), means, strict=True)]
    covariance = blur(first * second) - means[0] * means[1]
    light = (2 * means[0] * means[1] + 1e-4) / (means[0] ** 2 + means[1] ** 2 + 1e-4)
    return float((light * (2 * covariance + 9e-4) / (sum(variances) + 9e-4)).mean())


def _picture(query: Query, image: Plane, scores: np.ndarray) -> np.ndarray:
    """Scores from 0 to 1, (rows, columns); inputs of no group are 0."""
    shares = (scores - scores.min()) / np.ptp(scores)
    laid = np.nan_to_num(query.groups.spread(shares).ravel()[image.pixels])
    return laid.max(axis=1).reshape(image.rows, image.columns)


def _vary(*maps: np.ndarray) -> bool:
    return all(np.ptp(scores) > 0 for scores in maps)
