"""Insertion: how soon the class is reached when the best groups come first."""

from dataclasses import dataclass

from verixplain.metrics._removal import Removal
from verixplain.registry import metrics


@metrics.add
@dataclass(frozen=True)
class Insertion(Removal):
    """Area under the class's softmax while groups come back, most important first.

    Source: Petsiuk, Das and Saenko 2018, arXiv:1806.07421; steps as in Xplique.
    """

    direction = "higher"
    removes = False
