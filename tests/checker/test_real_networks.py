"""Trained networks of others: bounds against many points, in ONNX Runtime's own float32."""

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from .making import draft, margins

SUPPORTED = {  # model: radius
    "acasxu/ACASXU_run2a_1_1": 0.01,
    "cifar10/cifar_base_kw": 0.004,
    "cifar10/cifar_deep_kw": 0.004,
    "cifar10/marabou_cifar10_small": 0.002,
    "cifar10/resnet_2b": 0.001,
    "gtsrb10/verix_gtsrb-10x2": 0.005,
    "mnist/eran_convSmallRELU__Point": 0.01,
    "mnist/eran_ffnnSIGMOID__Point_6x200": 0.002,
    "mnist/marabou_mnist5x20_leaky_relu": 0.005,
    "mnist/mnist-net_256x4": 0.01,
    "mnist/verivital_Convnet_maxpool": 0.003,
    "mnist/wong_mnist": 0.03,
    "rul20/NN_rul_small_window_20": 0.002,
    "safenlp_ruarobot/safenlp_ruarobot": 0.01,
}
REFUSED = {
    "cifar10/idelbayev_resnet20": "ConstantOfShape",
    "cifar10/vit_ibp_3_3_8": "Shape",
    "imagenet/squeezenet_v1.0_deepcompression": "ReduceMean",
}


class Deployed:
    """A network as it is deployed: bytes, and what ONNX Runtime computes."""

    def __init__(self, path: Path) -> None:
        self.model = path.read_bytes()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = 1, 3
        self.session = onnxruntime.InferenceSession(self.model, options)
        entry = self.session.get_inputs()[0]
        self.name, self.shape = entry.name, (1, *entry.shape[1:])

    def __call__(self, points: np.ndarray) -> np.ndarray:
        each = [self.session.run(None, {self.name: p.reshape(self.shape)})[0] for p in points]
        return np.array([scores.ravel() for scores in each], np.float64)


def center_of(data: Path, name: str, shape: tuple, rng: np.random.Generator) -> np.ndarray:
    """A real MNIST digit where the network reads them, otherwise numbers in its range."""
    if name.startswith("mnist/"):
        image = np.load(data / "inputs" / "mnist_t10k_0-999.npz")["images"][7]
        return (image / np.float32(255)).astype(np.float32).ravel()
    return rng.random(int(np.prod(shape))).astype(np.float32)


def rows_for(scores: np.ndarray) -> np.ndarray:
    if scores.size == 1:
        return np.array([[1.0], [-1.0]])
    return margins(int(scores.argmax()), scores.size)


def around(rng, made, count: int) -> np.ndarray:
    lower, upper = made.arrays["lower"], made.arrays["upper"]
    corners = np.where(rng.random((count, lower.size)) < 0.5, lower, upper)
    return np.concatenate([corners, made.arrays["center"][None]])


@pytest.mark.parametrize("name", SUPPORTED)
def test_no_deployed_run_exceeds_its_bound(data, name):
    deployed = Deployed(data / "models" / f"{name}.onnx")
    rng = np.random.default_rng(21)
    center = center_of(data, name, deployed.shape, rng)
    rows = rows_for(deployed(center[None])[0])
    made = draft(deployed.model, center, SUPPORTED[name], rows).bound().settle()
    points = around(rng, made, 60)
    made.witnesses(points[-2:], [-1, -1], [0, 0], stem="seen")
    verdict = made.check()
    bound, witness = (claim["proved"] for claim in verdict.report["claims"])
    values = deployed(points) @ rows.T
    assert (values.max(axis=0) <= bound["float32"]).all()
    assert (values[-2:, 0] >= witness["float32"]).all()
    assert (np.array(bound["real"]) <= np.array(bound["float32"])).all()
    assert (np.array(witness["real"]) <= np.array(bound["real"])[0]).all()
    exact = made.check("real").report["claims"][1]["proved"]["real"]
    assert np.abs(values[-2:, 0] - exact).max() < 1e-3 * (1 + np.abs(values).max())


def test_groups_of_a_real_digit(data):
    """49 patches on one pass: bounds hold for deployed runs with the patch frozen."""
    deployed = Deployed(data / "models" / "mnist" / "wong_mnist.onnx")
    rng = np.random.default_rng(22)
    center = center_of(data, "mnist/wong_mnist", (1, 784), rng)
    grid = np.arange(784).reshape(7, 4, 7, 4).transpose(0, 2, 1, 3).reshape(49, 16)
    rows = rows_for(deployed(center[None])[0])
    made = draft(deployed.model, center, 0.05, rows, groups=grid.tolist()).groups(range(49))
    made.settle()
    verdict = made.check()
    assert verdict.answer == "ACCEPTED"
    bounds = np.array(verdict.report["claims"][0]["proved"]["float32"])
    for group in range(0, 49, 7):
        points = around(rng, made, 10)
        points[:, grid[group]] = center[grid[group]]
        assert (deployed(points) @ rows.T).max() <= bounds[group]
    assert bounds.std() > 0


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_understood_is_refused_by_name(data, name):
    model = (data / "models" / f"{name}.onnx").read_bytes()
    with pytest.raises(Exception, match=REFUSED[name]):
        draft(model, [0.0], 0.1, [[1.0]])


def test_every_other_public_network_is_understood(data):
    from verixplain.checker.operators import build
    from verixplain.checker.wire import read_model

    cards = json.loads((data / "models.json").read_text())
    for card in cards if isinstance(cards, list) else cards.values():
        name = card["file"].removeprefix("models/").removesuffix(".onnx")
        if name not in REFUSED:
            build(read_model((data / card["file"]).read_bytes()))
