"""Deletion: how soon the class is lost when the best groups go first."""

from dataclasses import dataclass

from verixplain.metrics._removal import Removal
from verixplain.registry import metrics


@metrics.add
@dataclass(frozen=True)
class Deletion(Removal):
    """Area under the class's softmax while groups are replaced, most important first.

    Source: Petsiuk, Das and Saenko 2018, arXiv:1806.07421; steps as in Xplique.
    """

    direction = "lower"
