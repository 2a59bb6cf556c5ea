"""A gradient map stays what it is, whatever the input of the box."""

from typing import Any

from verixplain.certify.claim import claim_kinds
from verixplain.certify.kinds._maps import NOT_SURE, MapClaim, method_in, top_in_words
from verixplain.certify.maps._arithmetic import Region
from verixplain.certify.maps._goals import Goal, TopK
from verixplain.errors import SettingError

_USAGE = "map-stability:METHOD[,NAME=VALUE...]"


@claim_kinds.add
class MapStabilityClaim(MapClaim):
    """The k features with the largest scores, in size, are the same at every input of the box.

    Beside it, whether it holds or not: an interval of every feature's score, the signs that are
    sure, and how much the map can change. `map-stability:eva` is the claim `stability`.

    Args:
        words: a method whose map has bounds, and its settings.
        top_k: k; by default 1.
        radius: `max` looks for the largest radius at which it is proved.
    """

    options = ("top_k", "radius", "shift")

    def __new__(cls, words: str, shift: Any = None, **others: Any) -> Any:
        """The claim; that of EVA is the claim `stability`."""
        if words == "eva":
            if others.get("radius") is not None:
                raise SettingError("the order of EVA is stable up to a shift; use --shift max")
            of = f"top-k:{others['top_k']}" if "top_k" in others else "order"
            return claim_kinds["stability"](of, shift=shift)
        return super().__new__(cls)

    def __init__(
        self, words: str, top_k: int = 1, radius: str | None = None, shift: Any = None
    ) -> None:
        self.options = ("top_k", "radius")  # a shift is another claim's
        if top_k < 1:
            raise SettingError(f"the number of largest scores is at least 1, not {top_k}")
        super().__init__(method_in(words, _USAGE), top_k, radius)
        self.parameters = {"method": words, "top_k": top_k, "radius": radius}

    def goal(self, start: Region, names: tuple[str, ...]) -> tuple[Goal | None, str]:
        goal = TopK.at(start, self.k)
        if goal is None:
            return None, NOT_SURE
        return goal, top_in_words(goal.members, names)
