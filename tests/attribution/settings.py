"""What the tests of the methods share: networks, inputs, and captum on the same network."""

import networks
import numpy as np
import torch

from verixplain import Box, Groups, Query, Target, load, models
from verixplain.network import Network


def digits(name: str = "digits_cnn") -> tuple[Network, np.ndarray]:
    """An embedded network and ten inputs."""
    with np.load(models.folder() / "digits_inputs.npz") as archive:
        return load(models.find(name)), archive["inputs"][:10]


def query(of: Network, x: np.ndarray, label: int | None = None, radius: float = 0.05) -> Query:
    label = int(of(x[None]).argmax()) if label is None else label
    return Query(of, Box.around(x, radius), Target.label(label), Groups.columns(of.input_shape))


def linear(weights, bias=None) -> Network:
    """`y = W x + b` as an ONNX network; weights are (outputs, inputs)."""
    from onnx import helper

    weights = np.asarray(weights, dtype="f4")
    bias = np.zeros(len(weights), "f4") if bias is None else np.asarray(bias, dtype="f4")
    node = helper.make_node("Gemm", ["x", "w", "b"], ["y"], "linear", transB=1)
    return networks.loaded(
        networks.model([node], {"w": weights, "b": bias}, ("batch", weights.shape[1]))
    )


def tensor(x: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(x.astype(np.float64))


def torch_module(of: Network) -> torch.nn.Module:
    """The network's own layers in float64, in one plain Sequential, for captum."""
    return torch.nn.Sequential(*of.at(torch.float64).children())
