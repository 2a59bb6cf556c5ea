"""Maps with known scores on networks with known answers."""

import numpy as np

from tests.attribution.settings import linear
from verixplain import Box, Groups, Query, Target
from verixplain.explanation import Explanation
from verixplain.metrics._base import Sample
from verixplain.network import Network


def two_classes(weights) -> Network:
    """Class 0 has the output `w . x`, class 1 its negative."""
    weights = np.asarray(weights, dtype=float)
    return linear([weights, -weights])


def sample(of: Network, x, scores, mask=None, radius: float = 0.1, **more) -> Sample:
    x = np.asarray(x, dtype=np.float32).astype(float).reshape(of.input_shape)
    query = Query(of, Box.around(x, radius), Target.label(0), Groups.columns(of.input_shape))
    found = Explanation(query, "made-up", "none", np.asarray(scores, dtype=float))
    mask = None if mask is None else np.asarray(mask, dtype=bool).reshape(of.input_shape)
    return Sample(found, mask=mask, **more)
