"""Upsample, which Resize replaced at opset 10."""

from fractions import Fraction

from verixplain.errors import UnsupportedOperatorError
from verixplain.network.graph import Site, require
from verixplain.network.operators._moves import Map, Move
from verixplain.network.operators._resample import grown, linear, nearest, resampled
from verixplain.network.operators._table import converts


@converts("Upsample", since=7)
class Upsample(Move):
    def map(self, site: Site) -> tuple[Map, int]:
        given = site.constant(1, "scales").ravel().tolist() if site.given(1) else None
        found: list[float] = site.attribute("scales", []) if given is None else given
        mode = site.attribute("mode", "nearest")
        require(mode in ("nearest", "linear", "bilinear"), f"mode {mode!r}")
        require(
            len(found) == site.rank and min(found) >= 1,
            f"scales {found} of a tensor with {site.rank} dimensions; all must be at least 1",
        )
        require(
            all(scale == int(scale) for scale in found),
            f"scales {found}; this opset says how to resize by whole numbers only",
        )
        rows = {}
        for axis, scale in enumerate(found):
            size, exact = site.shape(0)[axis], Fraction(scale)
            if scale == 1:
                continue
            new = grown(size, scale)
            if mode == "nearest":
                rows[axis] = nearest(size, new, exact, "asymmetric", "floor")
            else:
                rows[axis] = linear(size, new, exact, "asymmetric")
        return resampled(site, rows)


@converts("Upsample", since=10)
class Upsample10(Move):
    """ONNX took the operator back at opset 10."""

    def map(self, site: Site) -> tuple[Map, int]:
        raise UnsupportedOperatorError("Upsample ends with opset 9; Resize replaced it")
