"""What can be said of a model before anything is asked of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from verixplain.errors import VerixplainError

if TYPE_CHECKING:
    from verixplain.network import Network

COPIES, BYTES = 6, 8
FORMULA = (
    f"largest (numbers to be bounded x widest layer before them) x {BYTES} bytes (float64) "
    f"x {COPIES} copies alive at once, per box; all neurons taken as unstable"
)


@dataclass(frozen=True)
class Memory:
    """What a CROWN bound of one box takes at most.

    Args:
        rows: numbers that are bounded at once where it is largest.
        inputs: numbers of the widest layer before them.
        total: bytes, by `FORMULA`.
    """

    rows: int
    inputs: int
    total: int


def crown_memory(network: "Network") -> Memory:
    """The memory of a CROWN bound of one box, from the shapes of the network's primitives.

    Raises:
        UnsupportedOperatorError: there are no bounds for a node.
    """
    plan = network.plan
    sizes = {name: _count(shape) for name, shape in plan.shapes.items()}
    relaxed, widest = set(plan.relaxed_inputs()), sizes[plan.input]
    rows, inputs = sizes[plan.output], widest
    for step in plan.steps:
        if step.name in relaxed and sizes[step.name] * widest > rows * inputs:
            rows, inputs = sizes[step.name], widest
        widest = max(widest, sizes[step.name])
    if sizes[plan.output] * widest > rows * inputs:
        rows, inputs = sizes[plan.output], widest
    return Memory(rows, inputs, rows * inputs * BYTES * COPIES)


def _count(shape: tuple[int, ...]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count


def inspection(network: "Network") -> dict[str, Any]:
    """Everything `verixplain inspect` says, as plain values."""
    nodes: list[Mapping[str, str]] = network.support()
    shapes = {node.name: network.graph.shapes[node.outputs[0]][1:] for node in network.graph.nodes}
    memory, reason = None, ""
    try:
        found = crown_memory(network)
        memory = {"rows": found.rows, "inputs": found.inputs, "bytes": found.total}
    except VerixplainError as error:
        reason = str(error)
    parity = network.parity
    return {
        "schema": "inspection/1",
        "name": network.name,
        "sha256": network.sha256,
        "opset": network.opset,
        "input_shape": list(network.input_shape),
        "input_dtype": network.input_dtype.__name__,
        "outputs": network.outputs,
        "parameters": network.parameters,
        "stripped": network.stripped,
        "unbatchable": network.unbatchable,
        "parity": {
            "absolute": parity.absolute,
            "relative": parity.relative,
            "points": parity.points,
            "reason": parity.reason,
        },
        "bounds": {"supported": memory is not None, "reason": reason},
        "crown_memory": {"formula": FORMULA, **memory} if memory else None,
        "nodes": [{**node, "shape": list(shapes[node["node"]])} for node in nodes],
    }
