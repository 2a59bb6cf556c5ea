"""SmoothGrad: the exact finite sum over the noise that was drawn for the input."""

from torch import Tensor

from verixplain.certify.maps import maps
from verixplain.certify.maps._moved import MovedMap


@maps.add
class SmoothGradMap(MovedMap):
    """The mean gradient at noisy copies.

    The noise is fixed: it is what was drawn for the center, in size too (`method_points` less
    the center), so the map is one function of the input.
    """

    def given(self) -> Tensor:
        explained = self.slopes.explained
        return explained.tensor(self.method.points(explained))
