"""Lengths in the model's units, in those of the data range, and in raw ones."""

from typing import Any

import numpy as np

from verixplain.query import Box


def radii(box: Box, card: Any) -> dict[str, float]:
    """The farthest an input can move in the box, in three units.

    `model`: what the network sees; `scaled`: raw times the card's scale, the units of its data
    range; `raw`: what the data's files hold. Where inputs have different radii these are the
    largest of each.
    """
    reach = np.maximum(box.upper - box.center, box.center - box.lower)
    std = card.per_feature(card.std, reach.shape)
    scaled = float((reach * std).max())
    return {"model": float(reach.max()), "scaled": scaled, "raw": scaled / card.scale}
