"""GGIG beside gradients and integrated gradients: information curves, and noise on the weights.

    python experiments/geometry/run.py [--networks A,B] [--inputs N] [--perturbed N]

A network is a public one, or `standard 0` and so on, of experiments/scenes.

Rows go to results/NETWORK/LABEL/rows.jsonl; what is there is not computed again.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parents[1] / "tests"), str(HERE.parent / "scenes")]

import scenes  # noqa: E402
from realdata import real  # noqa: E402
from scipy.ndimage import gaussian_filter, sobel  # noqa: E402

from verixplain import Box, Groups, Query, Target  # noqa: E402
from verixplain.attribution._base import Attribution, Explained, Scores  # noqa: E402
from verixplain.attribution.ggig import GGIG  # noqa: E402
from verixplain.attribution.integrated_gradients import IntegratedGradients  # noqa: E402
from verixplain.attribution.saliency import Saliency  # noqa: E402
from verixplain.evaluation import evaluate  # noqa: E402
from verixplain.examination import examine  # noqa: E402
from verixplain.features import plane  # noqa: E402


@dataclass(frozen=True)
class Random(Attribution):
    """Random scores. Source: a control."""

    name = "random"

    def scores(self, explained: Explained) -> Scores:
        seed = abs(int(explained.x.sum() * 1e6)) % 2**32
        return Scores(torch.as_tensor(np.random.default_rng(seed).normal(size=explained.x.shape)))


@dataclass(frozen=True)
class Edges(Attribution):
    """Edges of the input, whatever the network. Source: a control of arXiv:2206.05903."""

    name = "edges"

    def scores(self, explained: Explained) -> Scores:
        x = explained.x.numpy()
        image = plane(x.shape, explained.network.card.layout)
        grey = x.ravel()[image.pixels].mean(1).reshape(image.rows, image.columns)
        smooth = gaussian_filter(grey, 0.8)
        size = np.hypot(sobel(smooth, 0), sobel(smooth, 1))
        found = np.zeros(x.size)
        found[image.pixels] = size.reshape(-1, 1) / image.pixels.shape[1]
        return Scores(torch.as_tensor(found.reshape(x.shape)))


@dataclass(frozen=True)
class Sized(Attribution):
    """The size of another map's sum over a pixel's channels, as the authors plot it.

    Source: arXiv:2206.05903, its code.
    """

    base: Attribution

    @property
    def name(self) -> str:
        return f"size-of-{self.base.name}"

    def scores(self, explained: Explained) -> Scores:
        found = self.base.scores(explained).map.numpy()
        pixels = plane(found.shape, explained.network.card.layout).pixels
        laid = np.zeros(found.size)
        laid[pixels] = np.abs(found.ravel()[pixels].sum(1))[:, None] / pixels.shape[1]
        return Scores(torch.as_tensor(laid.reshape(found.shape)))


GRID = {"steps": 20, "iterations": 20}
METHODS: dict[str, Attribution] = {
    "random": Random(),
    "edges": Edges(),
    "gradient": Sized(base=Saliency()),
    "integrated gradients": Sized(base=IntegratedGradients(steps=20)),
    "GGIG-Max, rate 0 (IG-Max)": Sized(base=GGIG(steps=20, iterations=1)),
    "GGIG-Max, rate 0.01": Sized(base=GGIG(**GRID, rate=0.01)),
    "GGIG-IG, rate 0.01": Sized(base=GGIG(**GRID, rate=0.01, variant="integrated")),
    "GGIG-IG, rate 0.1": Sized(base=GGIG(**GRID, rate=0.1, variant="integrated")),
}
LEVELS = (10, 40, 100)


def queries(name: str, count: int) -> list[Query]:
    """The first inputs, every pixel a group, about the class that wins."""
    kind, _, seed = name.partition(" ")
    if kind in scenes.KINDS:
        return [case.asked for case in scenes.cases(kind, int(seed), count)]
    item = real(name, count)
    network = item.network
    groups = Groups.pixels(network.input_shape, network.card.layout)
    return [
        Query(network, Box.around(x.astype(np.float64), 0.0), Target.label(int(label)), groups)
        for x, label in zip(item.inputs, network(item.inputs).argmax(1), strict=True)
    ]


def table(name: str, inputs: int, perturbed: int) -> None:
    """Compute what is missing of one network, and print its table."""
    asked = queries(name, inputs)
    words = " | ".join(f"noise {level} % (softmax kept)" for level in LEVELS)
    print(f"\n{name}, {len(asked)} inputs, noise on {min(perturbed, len(asked))}\n")
    print(f"| method | SIC ↑ | AIC ↑ | {words} |\n" + "|---" * (3 + len(LEVELS)) + "|")
    noise = {"model-perturbation": {"levels": ",".join(map(str, LEVELS))}}
    for label, method in METHODS.items():
        folder = HERE / "results" / name.replace(" ", "_") / label.replace(" ", "-")
        found = evaluate(asked, [method], ["sic", "aic"], folder=folder / "curves").table()
        curves = [f"{one['mean']:.3f} ± {one['standard_error']:.3f}" for one in found]
        lines = examine(
            asked[:perturbed], [method], ["model-perturbation"], folder=folder / "noise",
            settings=noise,
        ).table()  # fmt: skip
        kept = [
            f"{one['mean']:.2f} ± {one['standard_error']:.2f} ({100 * one['score']:.0f} %)"
            for one in lines
            if one["similarity"] == "spearman"
        ]
        print(f"| {label} | {' | '.join([*curves, *kept])} |", flush=True)


def main() -> None:
    """A table a network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", default="standard 0,standard 1")
    parser.add_argument("--inputs", type=int, default=40)
    parser.add_argument("--perturbed", type=int, default=10, help="inputs for the noise")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    for name in chosen.networks.split(","):
        table(name, chosen.inputs, chosen.perturbed)


if __name__ == "__main__":
    main()
