"""What torch's two exporters write today is loaded, and computes the same."""

import io

import numpy as np
import pytest
import torch
from torch import nn

from verixplain.network import load

EXAMPLE = torch.zeros(1, 1, 8, 8)


def small_cnn() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 4, 3, stride=2, padding=1),
        nn.Sigmoid(),
        nn.Flatten(),
        nn.Dropout(),
        nn.Linear(16, 8),
        nn.LeakyReLU(0.1),
        nn.Linear(8, 3),
        nn.Softmax(dim=1),
    ).eval()


def check(module: nn.Module, data: bytes) -> None:
    """The loaded network gives the logits that the module gives, on a batch."""
    network = load(data)
    assert network.parity.agrees
    assert network.stripped == "Softmax"
    assert network.unbatchable is None
    inputs = np.random.default_rng(0).normal(size=(5, 1, 8, 8)).astype("f4")
    with torch.no_grad():
        logits = module[:-1](torch.from_numpy(inputs)).numpy()
    np.testing.assert_allclose(network(inputs), logits, atol=1e-5)
    lowered = network.plan.run(torch.from_numpy(inputs).double())[network.plan.output]
    np.testing.assert_allclose(lowered.reshape(5, 3), logits, atol=1e-5)


@pytest.mark.parametrize("opset", [9, 11, 13, 15, 17, 20])
@pytest.mark.filterwarnings("ignore")
def test_the_older_exporter(opset):
    module, buffer = small_cnn(), io.BytesIO()
    torch.onnx.export(
        module,
        (EXAMPLE,),
        buffer,
        dynamo=False,
        opset_version=opset,
        input_names=["input"],
        dynamic_axes={"input": {0: "batch"}},
    )
    check(module, buffer.getvalue())


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.filterwarnings("ignore")
def test_the_newer_exporter(dynamic, tmp_path):
    pytest.importorskip("onnxscript")
    module, path = small_cnn(), tmp_path / "model.onnx"
    shapes = ({0: torch.export.Dim("batch")},) if dynamic else None
    example = torch.zeros(2, 1, 8, 8) if dynamic else EXAMPLE
    torch.onnx.export(
        module, (example,), path, dynamo=True, dynamic_shapes=shapes, external_data=False
    )
    check(module, path.read_bytes())


@pytest.mark.filterwarnings("ignore")
def test_a_module_is_exported_and_loaded_in_one_step():
    module = small_cnn().train()
    network = load(module, example=EXAMPLE)
    assert network.parity.agrees
    assert module.training
