"""Split."""

from torch import nn

from verixplain.network.graph import Site, require
from verixplain.network.operators._moves import loses_batch
from verixplain.network.operators._table import Apply, Operator, converts
from verixplain.network.primitives import Plan, Rearrange


def _even(size: int, parts: int) -> tuple[int, ...]:
    require(parts > 0 and size % parts == 0, f"{size} does not split into {parts} equal parts")
    return (size // parts,) * parts


def _with_smaller_last(size: int, parts: int) -> tuple[int, ...]:
    """Opset 18: equal parts, the last one smaller where it does not come out even."""
    each = -(-size // max(parts, 1))
    last = size - each * (parts - 1)
    require(parts > 0 and last >= 0, f"{size} does not split into {parts} parts")
    return (each,) * (parts - 1) + (last,)


@converts("Split", since=2)
class Split(Operator):
    def sizes(self, site: Site) -> tuple[int, ...]:
        """The length of each part: an attribute, or equal parts."""
        found = site.ints("split")
        return found or _even(site.shape(0)[site.axis(0)], len(site.node.outputs))

    def _sizes(self, site: Site) -> tuple[int, ...]:
        sizes, whole = self.sizes(site), site.shape(0)[site.axis(0)]
        require(
            min(sizes) >= 0 and sum(sizes) == whole and len(sizes) == len(site.node.outputs),
            f"{len(site.node.outputs)} parts of lengths {sizes} from a dimension of {whole}",
        )
        return sizes

    def build(self, site: Site) -> nn.Module:
        sizes, axis = self._sizes(site), site.axis(0)
        return Apply(lambda x: x.split(sizes, axis), f"{sizes}")

    def mixes_batch(self, site: Site) -> str | None:
        return "it splits the batch" if site.axis(0) == 0 else loses_batch(site)

    def lower(self, site: Site, plan: Plan) -> tuple[str, ...]:
        axis, start, names = site.axis(0), 0, []
        for size in self._sizes(site):
            part = Rearrange(lambda x, start=start, size=size: x.narrow(axis, start, size))
            names.append(plan.add(part, site.node.inputs[0]))
            start += size
        return tuple(names)


@converts("Split", since=13)
class Split13(Split):
    """From opset 13 on the lengths are an input."""

    def sizes(self, site: Site) -> tuple[int, ...]:
        found = site.ints("split", 1)
        return found or _even(site.shape(0)[site.axis(0)], len(site.node.outputs))


@converts("Split", since=18)
class Split18(Split):
    """From opset 18 on the last of equal parts may be smaller."""

    def sizes(self, site: Site) -> tuple[int, ...]:
        found = site.ints("split", 1)
        parts = int(site.attribute("num_outputs", len(site.node.outputs)))
        return found or _with_smaller_last(site.shape(0)[site.axis(0)], parts)
