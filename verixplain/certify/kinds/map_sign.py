"""The most important feature of a gradient map keeps speaking for, or against."""

from verixplain.certify.claim import claim_kinds
from verixplain.certify.kinds._maps import MapClaim, method_in
from verixplain.certify.maps._arithmetic import Region
from verixplain.certify.maps._goals import Goal, Sign


@claim_kinds.add
class MapSignClaim(MapClaim):
    """The feature whose score is largest in size keeps its score's sign, at every input of the box.

    Args:
        words: a method whose map has bounds, and its settings.
        radius: `max` looks for the largest radius at which it is proved.
    """

    options = ("radius",)

    def __init__(self, words: str, radius: str | None = None) -> None:
        super().__init__(method_in(words, "map-sign:METHOD[,NAME=VALUE...]"), 1, radius)
        self.parameters = {"method": words, "radius": radius}

    def goal(self, start: Region, names: tuple[str, ...]) -> tuple[Goal | None, str]:
        goal = Sign.at(start)
        if goal is None:
            return None, "the sign of the largest score is not sure at the input itself"
        word = "positive" if goal.sign > 0 else "negative"
        return goal, f"the score of feature {names[goal.feature]} is {word}"
