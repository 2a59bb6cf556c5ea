"""What operators share that move, copy, add up or average numbers of one input."""

from collections.abc import Callable

from torch import Tensor, nn

from verixplain.network.graph import Site
from verixplain.network.operators._table import Apply, Operator
from verixplain.network.primitives import Plan, Rearrange

Map = Callable[[Tensor], Tensor]


def has_batch(shape: tuple[int, ...]) -> bool:
    """Whether a value of this shape, for a batch of one, can have the batch in front."""
    return shape[:1] == (1,)


def loses_batch(site: Site) -> str | None:
    """Why the first output has no batch in front; None where its first dimension is 1."""
    shape = site.output_shape
    return None if has_batch(shape) else f"the output for one input is {shape}, without a batch"


def reshaped(site: Site, shape: tuple[int, ...]) -> Map:
    """The map that gives the first input another shape.

    From (1, ...) to (1, ...) it acts on each sample of a larger batch: in row-major order the
    numbers of sample k stay together and stay in place k.
    """
    if has_batch(site.shape(0)) and has_batch(shape):
        return lambda x: x.reshape(x.shape[0], *shape[1:])
    return lambda x: x.reshape(shape)


class Move(Operator):
    """An operator whose first input is mapped with coefficients that are not negative.

    Subclasses give `map`, which must act sample by sample on batches of any size whenever input
    and output both have first dimension 1; so the shape of the output is all that `mixes_batch`
    has to look at.
    """

    def map(self, site: Site) -> tuple[Map, int]:
        """The map, and the length of its longest sum with roundings (0: it only moves)."""
        raise NotImplementedError

    def build(self, site: Site) -> nn.Module:
        return Apply(self.map(site)[0], site.node.operator.lower())

    def mixes_batch(self, site: Site) -> str | None:
        return loses_batch(site)

    def lower(self, site: Site, plan: Plan) -> str:
        return plan.add(Rearrange(*self.map(site)), site.node.inputs[0])
