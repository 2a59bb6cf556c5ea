"""Gradients over a box of inputs and a box of weights: each weight moves by a share of itself.

Weights are the numbers of the layers that multiply (Conv, ConvTranspose, Gemm, MatMul), their
biases among them, and constants that are added to, taken from or multiplied with what comes after
such a layer. Normalisations, and what happens before the first such layer, stay as they are.

Everything is by intervals and zonotopes with rounding; relaxations of a fixed network do not
apply to many networks at once.
"""

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from verixplain.attribution._base import Attribution
from verixplain.bounds.enclosure import UNIT64, Interval, gamma, through
from verixplain.bounds.jacobian import Ends
from verixplain.certify.maps._arithmetic import down, up
from verixplain.certify.maps._base import Slopes
from verixplain.errors import UnsupportedMethodError
from verixplain.network import Network
from verixplain.network.build import WEIGHT_OPERATORS, sites
from verixplain.network.graph import Site
from verixplain.network.primitives import Affine, Plan, Rearrange, ScaleShift
from verixplain.query import Query

AFTER = {"Add", "Sub", "Mul"}
"""Operators whose one constant is a weight where it comes after a layer that has weights."""

_TINY = 2.0**-1000


def weight_sites(network: Network) -> list[Site]:
    """The nodes whose constants are weights.

    Raises:
        UnsupportedMethodError: there is none.
    """
    found = [
        site
        for site in sites(network.graph)
        if site.node.operator in WEIGHT_OPERATORS
        or (site.node.operator in AFTER and site.after_weights and len(site.varying) == 1)
    ]
    if not found:
        raise UnsupportedMethodError(f"network {network.name!r} has no weights that could move")
    return found


def weight_names(network: Network) -> list[str]:
    """Names of the constants that are weights and nothing else."""
    mine, others = set(), set()
    weighted = {site.node.name for site in weight_sites(network)}
    for site in sites(network.graph):
        names = {name for k, name in enumerate(site.node.inputs) if site.is_constant(k)}
        (mine if site.node.name in weighted else others).update(names)
    constants = network.graph.constants
    return sorted(
        name for name in mine - others if np.issubdtype(constants[name].dtype, np.floating)
    )


def weight_steps(network: Network, plan: Plan) -> list[str]:
    """Names of the steps of a plan whose numbers are weights."""
    found = weight_sites(network)
    layers = {one.node.name for one in found if one.node.operator in WEIGHT_OPERATORS}
    after = {one.node.name for one in found} - layers
    return [
        step.name
        for step in plan.steps
        if (step.node in after and isinstance(step.kind, ScaleShift))
        or (
            step.node in layers
            and isinstance(step.kind, Affine)
            and not isinstance(step.kind, Rearrange)
        )
    ]


class LooseSlopes(Slopes):
    """The gradient for every input of a box and every weight within a share of itself.

    Args:
        query, method, bound, device: as for `Slopes`; the bound method is not used.
        share: how far each weight moves at most, relative to its size.
    """

    def __init__(
        self, query: Query, method: Attribution, bound: str, device: str, share: float
    ) -> None:
        super().__init__(query, method, bound, device)
        self.share = share
        self.loose = dict.fromkeys(weight_steps(query.network, self.engine.exact), share)

    def inside(self, lower: Tensor, upper: Tensor) -> tuple[dict[str, Ends], Tensor]:
        plan = self.engine.exact
        known = {plan.input: Interval(lower, upper)}
        for step in plan.steps:
            parts = [known[name] for name in step.inputs]
            found = through(step, parts)
            if step.name in self.loose:
                found = _loosened(step.kind, parts, found, self.share)  # type: ignore[arg-type]
            known[step.name] = found
        low, high = self._rows_from(known[plan.output])
        values = {name: (one.lower, one.upper) for name, one in known.items()}
        return values, self._possible(low, high)

    def value(self, name: str, values: Mapping[str, Ends]) -> Ends:
        return values[name]


def _loosened(kind: Affine, parts: list[Interval], found: Interval, share: float) -> Interval:
    """Wider by `share` of `|A| |x| + |b|`."""
    size, offset = kind.absolute(*[part.magnitude for part in parts]), kind.offset()
    size = size if offset is None else size + offset.abs()
    moved = share * size * (1 + 4 * gamma(kind.terms + 16, UNIT64)) + _TINY
    return Interval(down(found.lower - moved), up(found.upper + moved))
