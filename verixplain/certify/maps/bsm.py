"""The gradient around the nearest boundary point that was found for the input."""

from torch import Tensor

from verixplain.certify.maps import maps
from verixplain.certify.maps._moved import MovedMap


@maps.add
class BoundarySaliencyMap(MovedMap):
    """The gradient at the boundary point, which moves as the input does.

    Nothing is said about which boundary point a search from another input would find.
    """

    def given(self) -> Tensor:
        return self.slopes.explained.tensor(self.method.boundary(self.slopes.explained).point)[None]
