"""The normalised graph as a torch module, and as the primitives that bounds see."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from verixplain.errors import (
    GraphError,
    TooLargeError,
    UnsupportedOperatorError,
    VerixplainError,
    at_node,
)
from verixplain.network.fold import Constants, fold_constants
from verixplain.network.graph import MOST_NUMBERS, Graph, Node, Site, require
from verixplain.network.operators import _table as operators
from verixplain.network.primitives import Affine, Plan, Rearrange

_DOES_NOT_FIT = (RuntimeError, LookupError, ValueError, TypeError, ArithmeticError, MemoryError)
"""What numpy and torch raise where a hostile file's shapes and attributes do not fit each other."""

WEIGHT_OPERATORS = {"Conv", "ConvTranspose", "Gemm", "MatMul"}


class Model(nn.Module):
    """The graph as torch layers, each named after its ONNX node (dots become underscores).

    In eval mode, on inputs with a batch dimension. Hooks find a layer by its node's name.
    """

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.input_name, self.output_name = graph.input, graph.output
        self.wiring: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = []
        self.last_use: dict[str, int] = {}

    def append(self, node: Node, module: nn.Module, varying: tuple[str, ...]) -> str:
        """Add one layer; returns the name under which it is registered."""
        name = node.name.replace(".", "_")
        while hasattr(self, name):
            name = f"{name}_{len(self.wiring)}"
        self.add_module(name, module)
        for value in varying:
            self.last_use[value] = len(self.wiring)
        self.wiring.append((name, varying, node.outputs))
        return name

    def forward(self, x: Tensor) -> Tensor:
        """The explained output of a batch: (batch, ...)."""
        values = {self.input_name: x}
        for step, (name, inputs, outputs) in enumerate(self.wiring):
            results = getattr(self, name)(*[values[value] for value in inputs])
            for value in inputs:
                if self.last_use[value] == step and value != self.output_name:
                    values.pop(value, None)
            if isinstance(results, Tensor):
                values[outputs[0]] = results
            else:
                values.update(
                    (value, result)
                    for value, result in zip(outputs, results, strict=False)
                    if value
                )
        return values[self.output_name]


def build(graph: Graph, dtype: type) -> tuple[Graph, Model]:
    """`_build`, without moving torch's random numbers on (new layers draw weights first)."""
    with torch.random.fork_rng(devices=[]):
        return _build(graph, dtype)


def _build(graph: Graph, dtype: type) -> tuple[Graph, Model]:
    """Build every layer, folding what is constant and recording every shape on the way.

    Returns:
        The graph with only the nodes that vary and all shapes known, and its torch module.

    Raises:
        UnsupportedOperatorError: a node nobody wrote a converter for.
        NotFiniteError: the network gives NaN on an input of zeros and ones alike.
    """
    model = Model(graph)
    constants = Constants(dict(graph.constants))
    values = {graph.input: torch.zeros((1, *graph.input_shape), dtype=_torch(dtype))}
    shapes: dict[str, tuple[int, ...]] = {graph.input: (1, *graph.input_shape)}
    nodes: list[Node] = []
    weighted: set[str] = set()
    alive = values[graph.input].numel()
    last_use = {value: k for k, node in enumerate(graph.nodes) for value in node.inputs}
    for number, node in enumerate(graph.nodes):
        if node.operator in ("Shape", "Size") and node.inputs[0] in shapes:
            constants[node.outputs[0]] = _shape(node, shapes[node.inputs[0]])
            continue
        if fold_constants(node, constants):
            continue
        after = any(value in weighted for value in node.inputs)
        site = Site(node, constants, shapes, after)
        with at_node(node.name, node.operator, node.opset):
            converter = operators.at(node.operator, node.opset)
            varying = tuple(node.inputs[k] for k in site.varying)
            try:
                module = converter.build(site).eval()
                with torch.no_grad():
                    results = module(*[values[value] for value in varying])
            except VerixplainError:
                raise
            except _DOES_NOT_FIT as error:
                raise UnsupportedOperatorError(
                    f"cannot run on inputs of shape {[tuple(shapes[v]) for v in varying]}: {error}"
                ) from error
            results = (results,) if isinstance(results, Tensor) else results
            require(all(result.numel() for result in results), "a result without any numbers")
        if after or node.operator in WEIGHT_OPERATORS:
            weighted.update(node.outputs)
        for value, result in zip(node.outputs, results, strict=False):
            if value:
                shapes[value] = tuple(result.shape)
                if last_use.get(value, -1) > number:
                    values[value] = result
                    alive += result.numel()
        for value in varying:
            if last_use[value] == number and value in values:
                alive -= values.pop(value).numel()
        if alive > 2 * MOST_NUMBERS:
            raise TooLargeError(f"at node {node.name!r} the layers hold {alive:,} numbers at once")
        model.append(node, module, varying)
        nodes.append(node)
    if graph.output in constants:
        raise GraphError(f"output {graph.output!r} does not depend on the input")
    used = {value for node in nodes for value in node.inputs}
    kept = {name: array for name, array in constants.items() if name in used}
    model.requires_grad_(False)
    return replace(graph, nodes=tuple(nodes), constants=kept, shapes=shapes), model.eval()


def _torch(dtype: type) -> torch.dtype:
    return torch.float64 if dtype is np.float64 else torch.float32


def _shape(node: Node, shape: tuple[int, ...]) -> np.ndarray:
    """What Shape or Size says of a value whose shape is known (the batch is one)."""
    if node.operator == "Size":
        return np.array(int(np.prod(shape)), dtype=np.int64)
    start = int(node.attributes.get("start", 0))
    stop = node.attributes.get("end")
    return np.array(shape[start : None if stop is None else int(stop)], dtype=np.int64)


def sites(graph: Graph) -> list[Site]:
    """Every node with what its converter sees."""
    weighted: set[str] = set()
    found = []
    for node in graph.nodes:
        after = any(value in weighted for value in node.inputs)
        if after or node.operator in WEIGHT_OPERATORS:
            weighted.update(node.outputs)
        found.append(Site(node, graph.constants, graph.shapes, after))
    return found


def unbatchable(graph: Graph) -> str | None:
    """Why the graph cannot run several inputs at once; None where it provably can."""
    for site in sites(graph):
        for k in site.varying:
            if not site.shape(k) or site.shape(k)[0] != 1:
                return (
                    f"node {site.node.name!r} ({site.node.operator}): {site.shape(k)} has no batch"
                )
        reason = operators.at(site.node.operator, site.opset).mixes_batch(site)
        if reason is not None:
            return f"node {site.node.name!r} ({site.node.operator}): {reason}"
    shape = graph.shapes[graph.output]
    if not shape or shape[0] != 1:
        return f"the output is {shape} for one input: it has no batch"
    return None


def lower(graph: Graph) -> Plan:
    """The graph as primitives.

    Raises:
        UnsupportedOperatorError: a node without sound bounds, by name.
    """
    reason = unbatchable(graph)
    if reason is not None:
        raise UnsupportedOperatorError(f"no bounds for a graph without a batch: {reason}")
    plan = Plan(graph.input)
    for site in sites(graph):
        lower_node(site, plan)
    plan.output = plan.resolve(graph.output)
    if len(graph.shapes[graph.output]) != 2:  # bounds multiply rows with a flat output
        plan.output = plan.add(Rearrange(lambda v: v.flatten(1)), plan.output)
    record_shapes(plan, graph)
    return plan


def lower_node(site: Site, plan: Plan) -> None:
    """Append one node's primitives."""
    node = site.node
    plan.node = node.name
    with at_node(node.name, node.operator, node.opset):
        results = operators.at(node.operator, node.opset).lower(site, plan)
    results = (results,) if isinstance(results, str) else results
    for value, result in zip(node.outputs, results, strict=False):
        if value:
            plan.alias(value, result)


def record_shapes(plan: Plan, graph: Graph) -> None:
    """Run the plan once on zeros and remember every shape, without the batch."""
    dtype = _torch(np.float64)
    for step in plan.steps:
        if isinstance(step.kind, Affine):
            step.kind.to(dtype)
    with torch.no_grad():
        values = plan.run(torch.zeros((1, *graph.input_shape), dtype=dtype))
    plan.shapes = {name: tuple(value.shape[1:]) for name, value in values.items()}


def support(graph: Graph) -> list[Mapping[str, str]]:
    """How bounds see every node: exact, relaxed or unsupported, with the reason."""
    rows = []
    plan = Plan(graph.input)
    for site in sites(graph):
        before = len(plan.steps)
        row = {"node": site.node.name, "operator": site.node.operator, "note": ""}
        try:
            lower_node(site, plan)
            kinds = [step.kind for step in plan.steps[before:]]
            row["bounds"] = "exact" if all(isinstance(k, Affine) for k in kinds) else "relaxed"
        except UnsupportedOperatorError as error:
            row["bounds"], row["note"] = "unsupported", str(error)
        rows.append(row)
    return rows
