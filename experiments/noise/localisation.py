"""NoiseGrad, FusionGrad and SmoothGrad beside their base, on images with a known object.

    python experiments/noise/localisation.py [--inputs N]

Networks and masks of experiments/scenes. Rows go to results/scenes/NETWORK/LABEL/rows.jsonl; what
is there is not computed again. Prints README's table.
"""

import argparse
import sys
from pathlib import Path

import torch

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "scenes"))

import scenes  # noqa: E402

from verixplain.attribution.fusion_grad import FusionGrad  # noqa: E402
from verixplain.attribution.integrated_gradients import IntegratedGradients  # noqa: E402
from verixplain.attribution.noise_grad import NoiseGrad, deviation_for_drop  # noqa: E402
from verixplain.attribution.saliency import Saliency  # noqa: E402
from verixplain.evaluation import evaluate  # noqa: E402

INPUT_NOISE = 0.15
"""Of SmoothGrad, as a share of the input's range."""

BASES = {"gradient": Saliency(), "integrated gradients": IntegratedGradients(steps=16)}
METRICS = {
    "relevance-rank-accuracy": "RRA ↑",
    "localisation-auc": "AUC ↑",
    "max-sensitivity": "MaxSensitivity ↓",
    "sparseness": "sparseness",
}
SETTINGS = {"max-sensitivity": {"samples": 3, "radius": 0.05}}


def methods(base, deviation: float) -> dict:
    """The base and its averages, all of sizes, as the authors average."""
    sizes = {"base": base, "reduce": "absolute"}
    whole = {"deviation": deviation, "noise": INPUT_NOISE}
    half = {name: value / 2 for name, value in whole.items()}
    return {
        "base": NoiseGrad(**sizes, draws=1, deviation=0.0),
        "SmoothGrad": FusionGrad(**sizes, draws=1, deviation=0.0, samples=25, noise=INPUT_NOISE),
        "NoiseGrad": NoiseGrad(**sizes, draws=25, deviation=deviation),
        "FusionGrad, half": FusionGrad(**sizes, draws=5, samples=5, **half),
        "FusionGrad, whole": FusionGrad(**sizes, draws=5, samples=5, **whole),
    }


def main() -> None:
    """Compute what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=25)
    count = parser.parse_args().inputs
    torch.set_num_threads(1)
    print(f"| seed | base | method | {' | '.join(METRICS.values())} |")
    print("|---" * (3 + len(METRICS)) + "|")
    for seed in (0, 1):
        asked = scenes.cases("standard", seed, count)
        network = asked[0].asked.network
        images, labels, _ = scenes.scenes(500, seed + 100, test=True)
        deviation = deviation_for_drop(network, images.numpy(), labels.numpy(), 0.05, steps=6)
        for name, base in BASES.items():
            for label, method in methods(base, deviation).items():
                place = f"{name} {label}".replace(" ", "-")
                folder = HERE / "results" / "scenes" / f"standard_{seed}" / place
                found = evaluate(asked, [method], list(METRICS), folder=folder, settings=SETTINGS)
                cells = [
                    f"{one['mean']:.3f} ± {one['standard_error']:.3f}" for one in found.table()
                ]
                print(f"| {seed} | {name} | {label} | {' | '.join(cells)} |", flush=True)
        print(f"seed {seed}: 5 % of the accuracy at deviation {deviation:.3f}", file=sys.stderr)


if __name__ == "__main__":
    main()
