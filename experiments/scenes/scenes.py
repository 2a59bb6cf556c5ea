"""Digits on coloured noise, and networks trained on them: images with a known object.

    python experiments/scenes/scenes.py            (trains what is missing, prints the accuracies)

A digit of scikit-learn's optical digits, enlarged to 12x12, stands in a random colour at a random
place of a 24x24 image of coloured noise; its pixels are the mask. Training and test images have
no digit in common. Two networks a seed: `standard`, and `robust`, which was then trained on
attacked images (L2 radius 0.25). Networks go to results/ and are trained once.
"""

import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "models"))

from train import data  # noqa: E402

from verixplain import Box, Groups, Query, Target, load  # noqa: E402
from verixplain.evaluation import Case  # noqa: E402
from verixplain.network import Network  # noqa: E402

KINDS = ("standard", "robust")
SIDE, DIGIT = 24, 12
TRAINING, EPOCHS, ROBUST_EPOCHS = 12000, 14, 5
RADIUS = 0.25
CARD = """[input]
layout = "nchw"
range = [0.0, 1.0]

[output]
kind = "classes"
names = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]
"""


def scenes(count: int, seed: int, test: bool = False) -> tuple[Tensor, Tensor, np.ndarray]:
    """Images (count, 3, 24, 24) from 0 to 1, labels, and masks (count, 24, 24)."""
    train, train_labels, held_out, held_out_labels = data()
    digits, labels = (held_out, held_out_labels) if test else (train, train_labels)
    generator = torch.Generator().manual_seed(2 * seed + test)
    chosen = torch.randint(len(digits), (count,), generator=generator)
    ink = F.interpolate(digits[chosen], (DIGIT, DIGIT), mode="bilinear", align_corners=False)
    colours = 0.5 + 0.5 * torch.rand((count, 3, 1, 1), generator=generator)
    images = 0.6 * torch.rand((count, 3, SIDE, SIDE), generator=generator)
    places = torch.randint(SIDE - DIGIT + 1, (count, 2), generator=generator).tolist()
    masks = np.zeros((count, SIDE, SIDE), dtype=bool)
    for number, (row, column) in enumerate(places):
        part = images[number, :, row : row + DIGIT, column : column + DIGIT]
        part.add_(ink[number] * (colours[number] - part))
        masks[number, row : row + DIGIT, column : column + DIGIT] = ink[number, 0] > 0.3
    return images, labels[chosen], masks


def made() -> nn.Sequential:
    """Three convolutions and one hidden layer."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 5, stride=2, padding=2), nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(1152, 64), nn.ReLU(), nn.Linear(64, 10),
    )  # fmt: skip


def attacked(module: nn.Module, images: Tensor, labels: Tensor, steps: int) -> Tensor:
    """Projected gradient descent within L2 radius `RADIUS` and the data range."""
    moves = torch.zeros_like(images)
    for _ in range(steps):
        moves.requires_grad_()
        loss = F.cross_entropy(module(images + moves), labels, reduction="sum")
        (slope,) = torch.autograd.grad(loss, moves)
        sizes = slope.flatten(1).norm(dim=1).clamp(min=1e-12).reshape(-1, 1, 1, 1)
        moves = moves.detach() + 2 * RADIUS / steps * slope / sizes
        sizes = moves.flatten(1).norm(dim=1).clamp(min=1e-12).reshape(-1, 1, 1, 1)
        moves = (images + moves * (RADIUS / sizes).clamp(max=1)).clamp(0, 1) - images
    return (images + moves).detach()


def train(module: nn.Module, seed: int, epochs: int, robust: bool) -> None:
    """Train in place, on attacked images where `robust`."""
    torch.manual_seed(seed)
    images, labels, _ = scenes(TRAINING, seed)
    optimiser = torch.optim.Adam(module.parameters(), 5e-4 if robust else 1e-3)
    for epoch in range(epochs):
        for batch in torch.randperm(len(images)).split(100):
            points = images[batch]
            if robust:
                points = attacked(module, points, labels[batch], steps=3)
            optimiser.zero_grad()
            loss = F.cross_entropy(module(points), labels[batch])
            loss.backward()
            optimiser.step()
        words = f"seed {seed}: epoch {epoch + 1} of {epochs}, loss {float(loss.detach()):.3f}"
        print(words, file=sys.stderr, flush=True)


def network(kind: str, seed: int) -> Network:
    """One of the networks, trained if it is not there; `robust` goes on from `standard`."""
    path = HERE / "results" / f"{kind}_{seed}.onnx"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        torch.manual_seed(seed)
        module, robust = made(), kind == "robust"
        if robust:
            known = network("standard", seed).graph.constants
            weights = {name: torch.from_numpy(known[name].copy()) for name in module.state_dict()}
            module.load_state_dict(weights)
        train(module, seed, ROBUST_EPOCHS if robust else EPOCHS, robust)
        torch.onnx.export(
            module.eval(), (torch.zeros(1, 3, SIDE, SIDE),), str(path), dynamo=False,
            opset_version=17, input_names=["input"], output_names=["logits"],
            dynamic_axes={"input": {0: "batch"}, "logits": {0: "batch"}},
        )  # fmt: skip
        path.with_suffix(".toml").write_text(CARD)
    return load(path)


def cases(kind: str, seed: int, count: int) -> list[Case]:
    """The first test images that the network gets right, every pixel a group, with their masks."""
    of = network(kind, seed)
    images, labels, masks = scenes(2 * count, seed, test=True)
    right = np.flatnonzero(of(images.numpy()).argmax(1) == labels.numpy())[:count]
    groups = Groups.pixels(of.input_shape, of.card.layout)
    return [
        Case(
            str(number),
            Query(
                of,
                Box.around(images[number].numpy().astype(np.float64), 0.0),
                Target.label(int(labels[number])),
                groups,
            ),
            np.broadcast_to(masks[number], of.input_shape).copy(),
        )
        for number in right
    ]


def main() -> None:
    """Train what is missing and say how good it is."""
    torch.set_num_threads(1)
    for seed in (0, 1):
        images, labels, _ = scenes(500, seed, test=True)
        for kind in KINDS:
            of = network(kind, seed)
            module = of.forward
            moved = attacked(module, images, labels, steps=20)
            accuracy, robust = (
                float((of(points.numpy()).argmax(1) == labels.numpy()).mean())
                for points in (images, moved)
            )
            print(f"{kind} {seed}: accuracy {accuracy:.3f}, attacked (L2 {RADIUS}) {robust:.3f}")


if __name__ == "__main__":
    main()
