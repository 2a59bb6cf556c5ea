"""Trains the networks of this folder, writes their cards, and picks the inputs beside them.

Run from the repository's root (about a minute on two cores; needs the extra `train`):

    python models/train.py

Data: the optical digits that scikit-learn ships (1,797 images of 8x8, values 0 to 16; test set of
the UCI collection of E. Alpaydin and C. Kaynak, 1998). Seeds are fixed; another torch or another
processor can still give other last digits, which is why every card has the file's SHA-256.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

FOLDER = Path(__file__).parent
SEED = 20240615
SCALE = 1 / 16
TEST_IMAGES = 500
RADIUS = 0.15
"""Of the adversarial training, in the model's units (0 to 1)."""


def data() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Training images and labels, test images and labels; images (batch, 1, 8, 8) in [0, 1]."""
    digits = load_digits()
    images = (digits.images * SCALE).astype(np.float32)[:, None]
    split = train_test_split(
        images, digits.target, test_size=TEST_IMAGES, random_state=SEED, stratify=digits.target
    )
    train, test, train_labels, test_labels = map(torch.from_numpy, split)
    return train, train_labels, test, test_labels


def mlp() -> nn.Module:
    """Two hidden layers of 32."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 10)
    )


def cnn() -> nn.Module:
    """Two convolutions, one hidden layer."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(256, 32),
        nn.ReLU(),
        nn.Linear(32, 10),
    )


def attack(model: nn.Module, images: Tensor, labels: Tensor, radius: float, steps: int) -> Tensor:
    """Projected gradient descent from a random start, inside the data range."""
    lower, upper = (images - radius).clamp(0, 1), (images + radius).clamp(0, 1)
    points = lower + (upper - lower) * torch.rand_like(images)
    for _ in range(steps):
        points.requires_grad_()
        loss = F.cross_entropy(model(points), labels)
        (slope,) = torch.autograd.grad(loss, points)
        moved = points.detach() + 2.5 * radius / steps * slope.sign()
        points = torch.minimum(torch.maximum(moved, lower), upper)
    return points.detach()


def train(make: Callable[[], nn.Module], epochs: int, radius: float = 0.0) -> nn.Module:
    """Train one network; with a radius, on attacked images only."""
    torch.manual_seed(SEED)
    images, labels, _, _ = data()
    model = make()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    for _ in range(epochs):
        for batch in torch.randperm(len(images)).split(64):
            points, truth = images[batch], labels[batch]
            if radius:
                points = attack(model, points, truth, radius, steps=7)
            optimizer.zero_grad()
            F.cross_entropy(model(points), truth).backward()
            optimizer.step()
        schedule.step()
    return model.eval()


def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Share of images whose largest output is their label."""
    with torch.no_grad():
        return float((model(images).argmax(1) == labels).float().mean())


def write(name: str, model: nn.Module, note: str) -> None:
    """The ONNX file and its card."""
    _, _, images, labels = data()
    torch.manual_seed(SEED)
    attacked = accuracy(model, attack(model, images, labels, 0.1, steps=40), labels)
    path = FOLDER / f"{name}.onnx"
    torch.onnx.export(
        model,
        (images[:1],),
        str(path),
        dynamo=False,
        opset_version=17,
        input_names=["input"],
        output_names=["logits"],
        dynamic_axes={"input": {0: "batch"}, "logits": {0: "batch"}},
    )
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_suffix(".toml").write_text(
        f"""\
# {note}

[input]
layout = "nchw"
scale = {SCALE}
range = [0.0, 1.0]
units = "ink from 0 to 16"

[output]
kind = "classes"
names = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]

[provenance]
data = "scikit-learn digits: 1797 images of 8x8 (UCI optical digits, Alpaydin and Kaynak 1998)"
split = "train {1797 - TEST_IMAGES}, test {TEST_IMAGES}, stratified"
training = "{note}"
seed = {SEED}
script = "models/train.py"
accuracy = {accuracy(model, images, labels):.4f}
robust_accuracy = {attacked:.4f}
robust_accuracy_means = "correct after a 40-step PGD attack of radius 0.1; an attack, no proof"
sha256 = "{sha256}"
"""
    )
    print(f"{name}: accuracy {accuracy(model, images, labels):.4f}, attacked {attacked:.4f}")


def write_inputs(models: list[nn.Module]) -> None:
    """Two test images of every digit that all networks classify correctly."""
    _, _, images, labels = data()
    right = torch.stack([model(images).argmax(1) == labels for model in models]).all(0)
    chosen = torch.stack([torch.where(right & (labels == d))[0][:2] for d in range(10)])
    order = chosen.T.flatten()  # 0 to 9, then 0 to 9 again
    np.savez_compressed(
        FOLDER / "digits_inputs.npz", inputs=images[order].numpy(), labels=labels[order].numpy()
    )


def main() -> None:
    """Train, write, and say how good they are."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    plain, convolutional = train(mlp, epochs=40), train(cnn, epochs=25)
    robust = train(cnn, epochs=30, radius=RADIUS)
    write("digits_mlp", plain, "MLP, two hidden layers of 32, trained plainly")
    write(
        "digits_cnn", convolutional, "CNN, two convolutions and one hidden layer, trained plainly"
    )
    write(
        "digits_robust",
        robust,
        f"the CNN trained on attacked images only (7-step PGD, radius {RADIUS})",
    )
    write_inputs([plain, convolutional, robust])


if __name__ == "__main__":
    main()
