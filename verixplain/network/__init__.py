"""ONNX in, a network out that provably computes the same."""

import math
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import nn

from verixplain.errors import InputError, ModelError, NotFiniteError, ParityError
from verixplain.network import parity as _parity
from verixplain.network.build import Model, build, lower, support, unbatchable
from verixplain.network.card import Card
from verixplain.network.graph import Graph
from verixplain.network.load import normalise, read
from verixplain.network.parity import Parity
from verixplain.network.primitives import Plan

STRIPPED = ("Softmax", "LogSoftmax")


class Network:
    """A loaded model: `network(inputs)` gives the explained outputs (logits).

    A trailing Softmax or LogSoftmax is not part of it: explanations and guarantees are about
    the logits. `stripped` names the operator that was left out, or is None.

    Attributes:
        name: the file's name without its ending.
        data: the model file's bytes, as read; certificates are about these.
        sha256: of the model's bytes (and of its external data).
        graph: the normalised graph.
        module: torch layers named after the ONNX nodes, eval mode, in the model's own dtype.
        input_shape: of one input, without the batch.
        input_dtype: numpy type of the input.
        outputs: how many numbers one input gives.
        unbatchable: why inputs must run one by one, or None.
        card: units, layout and names, from the TOML file beside the model.
        parity: the difference to ONNX Runtime, measured while loading.
    """

    def __init__(
        self,
        model: onnx.ModelProto,
        data: bytes,
        sha256: str,
        graph: Graph,
        module: Model,
        dtype: type,
        name: str,
        card: Card,
        stripped: str | None,
    ) -> None:
        self.onnx, self.data, self.sha256 = model, data, sha256
        self.graph, self.module = graph, module
        self.input_dtype, self.name, self.card, self.stripped = dtype, name, card, stripped
        self.input_shape = graph.input_shape
        shape = graph.shapes[graph.output]
        self.output_shape = shape[1:] if shape[:1] == (1,) else shape
        self.outputs = math.prod(shape)
        self.opset = graph.nodes[0].opset
        self.unbatchable = unbatchable(graph)
        self.parameters = sum(
            array.size
            for array in graph.constants.values()
            if np.issubdtype(array.dtype, np.floating)
        )
        self._copies: dict[tuple[torch.dtype, str], nn.Module] = {}
        self.parity = Parity(None, None, 0, "not compared")

    def __repr__(self) -> str:
        return (
            f"Network({self.name!r}, input {self.input_shape}, {self.outputs} outputs, "
            f"{self.parameters:,} parameters, opset {self.opset})"
        )

    def at(self, dtype: torch.dtype, device: str = "cpu") -> nn.Module:
        """The torch module in another precision or on another device (a copy, kept)."""
        key = (dtype, str(device))
        if key not in self._copies:
            import copy

            self._copies[key] = copy.deepcopy(self.module).to(dtype=dtype, device=device)
        return self._copies[key]

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Outputs (batch, outputs) of a batch of tensors, in their dtype, on their device."""
        module = self.at(inputs.dtype, str(inputs.device))
        if self.unbatchable is None or len(inputs) == 1:
            return module(inputs).reshape(len(inputs), self.outputs)
        return torch.cat([module(one[None]).reshape(1, self.outputs) for one in inputs])

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        """Outputs (batch, outputs) of a batch of arrays, in the model's own dtype."""
        inputs = self.check_inputs(inputs)
        with torch.no_grad():
            return self.forward(torch.from_numpy(inputs)).numpy()

    def check_inputs(self, inputs: np.ndarray) -> np.ndarray:
        """A batch of inputs in the model's dtype.

        Raises:
            InputError: not a batch of this network's input shape.
            NotFiniteError: NaN or infinity.
        """
        inputs = np.asarray(inputs)
        if inputs.shape[1:] != self.input_shape:
            raise InputError(
                f"inputs are {inputs.shape}, the network takes (batch, "
                f"{', '.join(map(str, self.input_shape))})"
            )
        inputs = np.ascontiguousarray(inputs, dtype=self.input_dtype)
        if not np.isfinite(inputs).all():
            where = tuple(np.argwhere(~np.isfinite(inputs))[0].tolist())
            raise NotFiniteError(f"an input is NaN or infinite, first at {where}")
        return inputs

    @cached_property
    def plan(self) -> Plan:
        """The network as the primitives that bounds see.

        Raises:
            UnsupportedOperatorError: there are no sound bounds for a node, by name.
        """
        return lower(self.graph)

    def support(self) -> list:
        """How bounds see every node; see `verixplain inspect`."""
        return support(self.graph)

    @cached_property
    def runtime(self):
        """An ONNX Runtime session of the original model that gives the explained output."""
        return _parity.session(self.onnx, self.graph.output)

    def run_onnx(self, inputs: np.ndarray) -> np.ndarray:
        """Outputs (batch, outputs) of the original model in ONNX Runtime, one input at a time."""
        inputs = self.check_inputs(inputs)
        return _parity.run(self.runtime, inputs, self.input_dtype).reshape(len(inputs), -1)

    def compare(self, inputs: np.ndarray) -> Parity:
        """The difference between this network and ONNX Runtime on `inputs`."""
        try:
            theirs = self.run_onnx(inputs)
        except ModelError as error:
            return Parity(None, None, 0, str(error))
        return _parity.compare(self(inputs), theirs)


def load(
    source: "str | Path | bytes | onnx.ModelProto | nn.Module",
    *,
    output: str | None = None,
    shape: Sequence[int] | None = None,
    example: torch.Tensor | None = None,
    card: "str | Path | None" = None,
    whole: bool = False,
) -> Network:
    """Load a model.

    Args:
        source: path or bytes of an ONNX file, an ONNX model, or a torch module (then exported;
            needs `example`).
        output: which output is explained, where the model has several.
        shape: the input's shape without the batch, where the model leaves dimensions open.
        example: one batch of inputs, to export a torch module with.
        card: the model's TOML card; by default the file of the same name beside the model.
        whole: whether a trailing Softmax or LogSoftmax stays part of the network.

    Raises:
        ModelError: one of its kinds says what is wrong with the file.
        ParityError: the loaded network and ONNX Runtime disagree.
    """
    name, beside = "model", None
    if isinstance(source, nn.Module):
        source = export(source, example)
    elif isinstance(source, (str, Path)):
        name, beside = Path(source).stem, Path(source).with_suffix(".toml")
    model, data, sha256 = read(source)
    graph, dtype = normalise(model, output, shape)
    graph, module = build(graph, dtype)
    stripped = None
    last = next(node for node in graph.nodes if graph.output in node.outputs)
    strip = not whole and last.operator in STRIPPED
    if strip and last.inputs[0] in graph.shapes and len(graph.nodes) > 1:
        stripped = last.operator
        graph = _without(graph, last)
        graph, module = build(graph, dtype)
    found = Card.read(card) if card is not None else Card.beside(beside)
    network = Network(model, data, sha256, graph, module, dtype, name, found, stripped)
    network.parity = _check_parity(network)
    return network


def _without(graph: Graph, last) -> Graph:
    """The graph that ends at the input of its last node."""
    from dataclasses import replace

    nodes = tuple(node for node in graph.nodes if node is not last)
    return replace(graph, nodes=nodes, output=last.inputs[0], shapes={})


def _check_parity(network: Network) -> Parity:
    """Compare on zeros, ones and two seeded random inputs."""
    shape = network.input_shape
    generator = np.random.default_rng(0)
    points = np.stack(
        [np.zeros(shape), np.ones(shape), *generator.uniform(0, 1, (2, *shape))]
    ).astype(network.input_dtype)
    found = network.compare(points)
    if found.relative is not None and not found.agrees:
        raise ParityError(
            f"the loaded network differs from ONNX Runtime by {found.absolute:.3g} "
            f"({found.relative:.3g} relative); nothing that is said about it would hold for the "
            "model, so it is refused"
        )
    return found


def export(module: nn.Module, example: torch.Tensor | None) -> bytes:
    """A torch module as ONNX bytes, with an open batch dimension."""
    import io

    if example is None:
        raise InputError("a torch module needs `example`, one batch of inputs, to be exported")
    buffer: Any = io.BytesIO()  # torch writes to one, though its annotation says paths only
    was_training = module.training
    try:
        torch.onnx.export(
            module.eval(),
            (example,),
            buffer,
            dynamo=False,
            input_names=["input"],
            output_names=["output"],
            dynamic_axes={"input": {0: "batch"}, "output": {0: "batch"}},
        )
    except Exception as error:
        raise ModelError(f"torch cannot export this module to ONNX: {error}") from error
    finally:
        module.train(was_training)
    return buffer.getvalue()
