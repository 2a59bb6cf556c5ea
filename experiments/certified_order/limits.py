"""How far could the exchange rule get, if gradients were known exactly?

    python experiments/certified_order/limits.py [NAME ...]

The true gradients of the row with the largest bound at some points take the place of bounds, so no
bound of gradients, however tight, decides more pairs: of the whole box (points anywhere), and of
where the row is large (points near worst ones found). Nothing here is proved.
"""

import sys
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "tests"))
sys.path.insert(0, str(HERE))

from anytime import NETWORKS, asked, proved_radius  # noqa: E402
from realdata import real  # noqa: E402

from verixplain.attribution.eva import EVA  # noqa: E402
from verixplain.request import predicted_label  # noqa: E402

INPUTS = 2


def gradients(query, row: int, points: np.ndarray) -> np.ndarray:
    """Of one row at points: (points, inputs)."""
    coefficients = torch.tensor(query.target.matrix(query.network.outputs)[0][row])
    found = []
    for part in torch.tensor(points, dtype=torch.float32).split(64):
        part.requires_grad_()
        value = (query.network.forward(part) @ coefficients.to(part)).sum()
        found.append(torch.autograd.grad(value, part)[0].flatten(1))
    return torch.cat(found).double().numpy()


def share(query, slopes: np.ndarray) -> float:
    """Pairs for which one move raises the row by more than is lost, at all these gradients."""
    low, high = ((end - query.box.center).ravel() for end in (query.box.lower, query.box.upper))
    labels, count = query.groups.label_map().ravel(), len(query.groups)

    def sums(parts: np.ndarray) -> np.ndarray:
        return np.stack([np.bincount(labels, part, count) for part in parts])

    gain = sums(slopes * np.where(slopes.mean(axis=0) > 0, high, low))
    loss = sums(np.maximum(slopes * high, slopes * low))
    raised = (gain[:, :, None] - loss[:, None, :]).min(axis=0) > 0
    return 2 * raised.sum() / (count * (count - 1))


def points(query, overlaps) -> tuple[np.ndarray, np.ndarray]:
    """Anywhere in the box, and near worst points."""
    rng, box = np.random.default_rng(0), query.box
    shape = (100, *box.center.shape)
    corners = np.where(rng.random(shape) < 0.5, box.lower, box.upper)
    inside = box.lower + rng.random(shape) * (box.upper - box.lower)
    way = np.linspace(0, 1, 50).reshape(-1, *[1] * box.center.ndim)
    towards = box.center + way * (overlaps.witness - box.center)
    middles = (overlaps.witness + overlaps.group_witness) / 2
    near = np.concatenate([overlaps.group_witness, middles])
    return np.concatenate([corners, inside, towards, near]), near


def main(names: list[str]) -> None:
    print("| network | radius | points anywhere | near worst points |\n|---|---|---:|---:|")
    for name in names or NETWORKS:
        found, words = real(name, 20), NETWORKS[name]
        right = [
            index
            for index, (x, label) in enumerate(zip(found.inputs, found.labels, strict=True))
            if predicted_label(found.network(x[None])[0], found.network.card.kind) == label
        ]
        radii, shares = [], []
        for index in right[:INPUTS]:
            x, label = found.inputs[index], int(found.labels[index])
            radii.append(proved_radius(found, x, label, words))
            query = asked(found, x, label, radii[-1], words)
            overlaps = EVA(device="cpu").explain(query).overlaps
            row = int(overlaps.row_upper.max(axis=1).argmax())
            shares.append([share(query, gradients(query, row, p)) for p in points(query, overlaps)])
        cells = (
            " / ".join(f"{100 * one:.0f}" for one in column) for column in zip(*shares, strict=True)
        )
        words = " / ".join(f"{radius:.3g}" for radius in radii)
        print(f"| {name} | {words} | {' | '.join(f'{cell} %' for cell in cells)} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
