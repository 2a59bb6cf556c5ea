"""NoiseGrad, FusionGrad and SmoothGrad beside their base: stability, sparseness, faithfulness.

    python experiments/noise/run.py [--inputs N]

Rows go to results/LABEL/rows.jsonl; what is there is not computed again.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "models"))

from train import data  # noqa: E402

from verixplain import Box, Groups, Query, Target, load, models  # noqa: E402
from verixplain.attribution.fusion_grad import FusionGrad  # noqa: E402
from verixplain.attribution.integrated_gradients import IntegratedGradients  # noqa: E402
from verixplain.attribution.noise_grad import NoiseGrad, deviation_for_drop  # noqa: E402
from verixplain.attribution.saliency import Saliency  # noqa: E402
from verixplain.evaluation import evaluate  # noqa: E402

NETWORK = "digits_cnn"
INPUT_NOISE = 0.15
"""Of SmoothGrad, as a share of the input's range."""

BASES = {"gradient": Saliency(), "integrated gradients": IntegratedGradients(steps=16)}
METRICS = ("max-sensitivity", "sparseness", "mu-fidelity", "deletion")
SETTINGS = {"max-sensitivity": {"samples": 5, "radius": 0.05}}


def methods(base, deviation: float) -> dict:
    """The base and its averages; FusionGrad with half of both noises, and with the whole."""
    inner = {"base": base}
    return {
        "base": base,
        "SmoothGrad": FusionGrad(**inner, draws=1, deviation=0.0, samples=25, noise=INPUT_NOISE),
        "NoiseGrad": NoiseGrad(**inner, draws=25, deviation=deviation),
        "FusionGrad, half": FusionGrad(
            **inner, draws=5, samples=5, deviation=deviation / 2, noise=INPUT_NOISE / 2
        ),
        "FusionGrad, whole": FusionGrad(
            **inner, draws=5, samples=5, deviation=deviation, noise=INPUT_NOISE
        ),
    }


def main() -> None:
    """Compute what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=20)
    count = parser.parse_args().inputs
    torch.set_num_threads(1)
    network = load(models.find(NETWORK))
    *_, images, labels = data()
    images, labels = images.numpy(), labels.numpy()
    held_out = slice(count, None)
    deviation = deviation_for_drop(network, images[held_out], labels[held_out], 0.05, steps=6)
    groups = Groups.pixels(network.input_shape)
    asked = [
        Query(network, Box.around(x.astype(np.float64), 0.0), Target.label(int(label)), groups)
        for x, label in zip(images[:count], network(images[:count]).argmax(1), strict=True)
    ]
    print(f"{NETWORK}, {count} inputs; the accuracy drops by 5 % at deviation {deviation:.3f}\n")
    print("| base | method | MaxSensitivity ↓ | sparseness | MuFidelity ↑ | Deletion ↓ |")
    print("|---" * 6 + "|")
    for name, base in BASES.items():
        for label, method in methods(base, deviation).items():
            folder = HERE / "results" / f"{name} {label}".replace(" ", "-")
            found = evaluate(asked, [method], METRICS, folder=folder, settings=SETTINGS)
            cells = [f"{one['mean']:.3f} ± {one['standard_error']:.3f}" for one in found.table()]
            print(f"| {name} | {label} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
