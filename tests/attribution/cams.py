"""A small convolutional network whose class activation maps are worked out by hand."""

import networks
import numpy as np
import torch

from attribution.settings import query
from verixplain.network import Network


def network() -> tuple[Network, np.ndarray]:
    of = networks.loaded(networks.residual(channels=3, seed=2))
    return of, np.random.default_rng(4).uniform(0, 1, of.input_shape).astype("f4")


def activations(of: Network, x: np.ndarray, label: int) -> tuple[np.ndarray, np.ndarray]:
    """Activations and slopes at the last Relu, by torch's own hooks on a copy."""
    import copy

    module = copy.deepcopy(of.at(torch.float64))
    kept = []
    module.block_out.register_forward_hook(lambda *seen: kept.append(seen[2]))
    with torch.enable_grad():
        point = torch.from_numpy(x.astype("f8"))[None].requires_grad_()
        output = module(point)[0, label]
        (slopes,) = torch.autograd.grad(output, kept[0])
    return kept[0].detach()[0].numpy(), slopes[0].numpy()


def agrees(method, weigh) -> None:
    """The method's coarse map is `relu(sum of weigh(activations, slopes) times activations)`."""
    of, x = network()
    label = int(of(x[None]).argmax())
    found = method.explain(query(of, x, label))
    values, slopes = activations(of, x, label)
    weights = weigh(values, slopes)
    expected = np.maximum((weights[:, None, None] * values).sum(0), 0)
    np.testing.assert_allclose(found.arrays["channel_weights"], weights, atol=1e-12)
    np.testing.assert_allclose(found.arrays["coarse_map"], expected, atol=1e-12)
    np.testing.assert_allclose(found.map[0], expected, atol=1e-12)  # 6x6 is the input's size
    assert any("block_out (3x6x6)" in note for note in found.notes)
