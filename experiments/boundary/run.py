"""How far the map at an input is from the map at its nearest boundary point.

    python experiments/boundary/run.py [--inputs N]

Two series. Smoothing: a network `v . Phi(W x + b) + c` (Phi the normal distribution function) is
smoothed by Gaussian noise exactly, since E Phi(w . (x + e) + b) = Phi((w . x + b) / sqrt(1 + s^2
|w|^2)): there is no sampling that could break the bound. Robust training: the embedded networks.
One JSON line per (network, input) goes to results.jsonl; what is there is not run again.
"""

import argparse
import copy
import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "models"))

from train import data  # noqa: E402

from verixplain import Box, Groups, Query, Target, load, models  # noqa: E402
from verixplain.attribution.bsm import BSM  # noqa: E402
from verixplain.attribution.saliency import Saliency  # noqa: E402
from verixplain.errors import NoBoundaryError  # noqa: E402
from verixplain.network import Network  # noqa: E402
from verixplain.network.card import Card  # noqa: E402

SIGMAS = (0.0, 0.1, 0.2, 0.4, 0.8, 1.6)
EMBEDDED = ("digits_cnn", "digits_robust")
LIPSCHITZ = 0.5 * 0.9679
"""Half of E|z^2 - 1|, z normal: times (b - a) / s^2 it bounds the slope of the gradient."""


class Phi(nn.Module):
    """The normal distribution function, number by number."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 0.5 * (1 + torch.erf(x / 2**0.5))


def trained(seed: int = 0) -> nn.Sequential:
    """64 hidden units on the 8x8 digits."""
    torch.manual_seed(seed)
    images, labels, *_ = data()
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), Phi(), nn.Linear(64, 10))
    optimiser = torch.optim.Adam(module.parameters(), 0.01)
    for _ in range(400):
        optimiser.zero_grad()
        nn.functional.cross_entropy(module(images), labels).backward()
        optimiser.step()
    return module.eval()


def smoothed(module: nn.Sequential, sigma: float) -> nn.Sequential:
    """The expectation under noise of this deviation, exactly."""
    found = copy.deepcopy(module)
    layer = found[1]
    with torch.no_grad():
        size = (1 + sigma**2 * (layer.weight**2).sum(1)).sqrt()
        layer.weight /= size[:, None]
        layer.bias /= size
    return found


def networks() -> dict[str, tuple[Network, np.ndarray | None]]:
    """Every network, and per class by how much the slope of its gradient is bounded."""
    module, found = trained(), {}
    spans = module[3].weight.detach().abs().sum(1).numpy()  # b - a of every output
    for sigma in SIGMAS:
        network = load(smoothed(module, sigma), example=torch.zeros(1, 1, 8, 8))
        found[f"smoothed by {sigma:g}"] = (network, LIPSCHITZ * spans / sigma**2 if sigma else None)
    for name in EMBEDDED:
        network = load(models.find(name))
        network.card = Card(layout="nchw")  # no data range: the nearest point of the whole space
        found[name] = (network, None)
    return found


def measured(network: Network, slopes: np.ndarray | None, x: np.ndarray) -> dict:
    """Norms, distances and the bound at one input."""
    label = int(network(x[None]).argmax())
    query = Query(network, Box.around(x, 0.0), Target.label(label), Groups.columns(x.shape))
    here = Saliency().explain(query).scores
    try:
        found = BSM(steps=30, restarts=1, attacks="deepfool,pgd,cw", bound="none").explain(query)
    except NoBoundaryError:
        return {"found": False}
    distance = float(found.arrays["distance_l2"])
    there = found.scores
    row = {
        "found": True,
        "distance": distance,
        "difference": float(np.linalg.norm(here - there)),
        "slope": float(np.linalg.norm(here)),
        "cosine": float((here * there).sum() / np.linalg.norm(here) / np.linalg.norm(there)),
    }
    if slopes is not None:
        row["bound"] = float(slopes[label]) * distance
    return row


def table(rows: list[dict]) -> str:
    """Means over the inputs, as README shows them."""
    lines = [
        "| network | inputs | accuracy | distance | norm of SM | norm of SM - BSM | over the "
        "distance | cosine | bound | bound held |",
        "|---" * 10 + "|",
    ]
    for name in dict.fromkeys(row["network"] for row in rows):
        mine = [row for row in rows if row["network"] == name and row["found"]]
        means = {
            key: np.mean([row[key] for row in mine])
            for key in ("distance", "slope", "difference", "cosine")
        }
        error = np.std([row["difference"] for row in mine], ddof=1) / len(mine) ** 0.5
        ratio = np.mean([row["difference"] / row["distance"] for row in mine])
        bounds = [row["bound"] for row in mine if "bound" in row]
        held = sum(row["difference"] <= row["bound"] for row in mine if "bound" in row)
        bound = f"{np.mean(bounds):.3g} | {held} of {len(bounds)}" if bounds else "- | -"
        lines.append(
            f"| {name} | {len(mine)} | {mine[0]['accuracy']:.3f} | {means['distance']:.3f} "
            f"| {means['slope']:.2f} | {means['difference']:.3f} ± {error:.3f} | {ratio:.3f} "
            f"| {means['cosine']:.3f} | {bound} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Run what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=30)
    count = parser.parse_args().inputs
    torch.set_num_threads(1)
    *_, images, labels = data()
    results = HERE / "results.jsonl"
    rows = (
        [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    )
    done = {(row["network"], row["input"]) for row in rows}
    for name, (network, slopes) in networks().items():
        accuracy = float((network(images.numpy()).argmax(1) == labels.numpy()).mean())
        for number in range(count):
            if (name, number) in done:
                continue
            row = measured(network, slopes, images[number].numpy().astype(float))
            rows.append({"network": name, "input": number, "accuracy": accuracy, **row})
            with results.open("a") as file:
                file.write(json.dumps(rows[-1]) + "\n")
            print(f"\r{name}: {number + 1} of {count}", end="", file=sys.stderr, flush=True)
    print("\n" + table(rows))


if __name__ == "__main__":
    main()
