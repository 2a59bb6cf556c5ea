"""What a query asks, whatever version it is written in: regions of inputs and unsafe outputs.

All numbers are exact (`Fraction`), as written; what is rounded for the computer is rounded where
it is used, each time in the direction that is safe there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import prod

RELATIONS = (">=", ">", "==")


@dataclass(frozen=True)
class Variable:
    """A tensor that the query declares.

    Args:
        name: as declared; X or Y in version 1.
        type: the element type as declared, `real` in version 1.
        shape: as declared; () for a single number. In version 1 (n,).
    """

    name: str
    type: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return prod(self.shape)


@dataclass(frozen=True)
class Constraint:
    """`inputs . x + outputs . y + constant RELATION 0`, by flat index, row by row.

    Args:
        inputs, outputs: coefficients that are not 0.
        constant: the rest.
        relation: one of `RELATIONS`.
    """

    inputs: Mapping[int, Fraction]
    outputs: Mapping[int, Fraction]
    constant: Fraction
    relation: str

    def holds(self, x: list[Fraction], y: list[Fraction]) -> bool:
        """Whether it holds at exact values."""
        value = self.constant
        value += sum((c * x[k] for k, c in self.inputs.items()), Fraction(0))
        value += sum((c * y[k] for k, c in self.outputs.items()), Fraction(0))
        return (
            value == 0
            if self.relation == "=="
            else value > 0 or (value == 0 and self.relation == ">=")
        )


Conjunction = tuple[Constraint, ...]


@dataclass(frozen=True)
class Region:
    """A box of inputs and what must not happen in it: any of the conjunctions, whole.

    Args:
        lower, upper: the closed box, one exact number per input.
        unsafe: the conjunctions; an empty one holds everywhere in the box.
    """

    lower: tuple[Fraction, ...]
    upper: tuple[Fraction, ...]
    unsafe: tuple[Conjunction, ...]

    @property
    def empty(self) -> bool:
        """Whether no input lies in the box."""
        return any(low > high for low, high in zip(self.lower, self.upper, strict=True))


@dataclass(frozen=True)
class Specification:
    """A query: `sat` if some input of some region has an output that is unsafe there.

    Args:
        version: (major, minor) of VNN-LIB.
        network: the declared network's name; "" in version 1.
        input, output: the tensors.
        regions: where counterexamples are looked for.
    """

    version: tuple[int, int]
    network: str
    input: Variable
    output: Variable
    regions: tuple[Region, ...]

    @property
    def real(self) -> bool:
        """Whether the query is about real arithmetic, not about that of an element type."""
        return self.input.type == "real" and self.output.type == "real"
