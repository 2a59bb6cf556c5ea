"""EVA and other methods by Deletion, Insertion, MuFidelity, Robustness-Sr and time.

    python experiments/eva_against_baselines/run.py [--networks A,B] [--inputs N] [--attacked N]

Rows go to results/NETWORK/rows.jsonl; what is there is not computed again. The values alone are
in results.csv. Prints README's tables.
"""

import argparse
import csv
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "tests"))

from realdata import real  # noqa: E402

from verixplain import Groups, Query, Target  # noqa: E402
from verixplain.attribution._base import Attribution, Explained, Scores  # noqa: E402
from verixplain.attribution.saliency import Saliency  # noqa: E402
from verixplain.evaluation import Case, Evaluation, evaluate  # noqa: E402
from verixplain.metrics.robustness_sr import RobustnessSr  # noqa: E402
from verixplain.query import Box  # noqa: E402

NETWORKS = {"wong_mnist": (0.1, 14), "cifar_base_kw": (2 / 255, 16)}
"""Radius of EVA's box (raw, 0 to 1), and the side of the grid of patches."""


@dataclass(frozen=True)
class Random(Attribution):
    """Random scores: what every method should beat. Source: a control."""

    name = "random"

    def scores(self, explained: Explained) -> Scores:
        seed = int(explained.x.sum() * 1e6) % 2**32
        drawn = np.random.default_rng(seed).normal(size=explained.x.shape)
        return Scores(torch.as_tensor(drawn))


METHODS = (
    Random(), Saliency(absolute=True), "gradient-times-input", "smoothgrad", "vargrad",
    "integrated-gradients", "occlusion", "rise", "grad-cam", "grad-cam-plus-plus", "eva", "bsm",
    "big", "greedy-as",
)  # fmt: skip
SETTINGS = {
    "bsm": {"bound": "none"},
    "big": {"bound": "none"},
    "eva": {"steps": 0},
    "greedy-as": {"step": 0.05},
}
"""Nothing is proved about boundary points, and EVA's scores need no attack."""

DEAR = {
    ("wong_mnist", "greedy-as"): 5,
    ("cifar_base_kw", "greedy-as"): 0,
    ("cifar_base_kw", "bsm"): 40,
    ("cifar_base_kw", "big"): 40,
}
"""Inputs of a network and a method that is too dear for more."""

CHEAP = ("deletion", "insertion", "mu-fidelity")


def cases(name: str, count: int) -> list[Case]:
    """The first inputs that the network gets right."""
    radius, side = NETWORKS[name]
    item = real(name, 3 * count)
    network, shape = item.network, item.network.input_shape
    right = np.flatnonzero(network(item.inputs).argmax(1) == item.labels)[:count]
    low, high = network.card.clip(shape)
    groups = Groups.grid(shape, side, side, network.card.layout)
    found = []
    for index in right:
        x = item.inputs[index].astype(np.float64)
        clip = np.minimum(low, x), np.maximum(high, x)  # float32 may miss an end by a last digit
        box = Box.around(x, network.card.radius(radius, shape), clip)
        label = Target.label(int(item.labels[index]))
        found.append(Case(str(index), Query(network, box, label, groups)))
    return found


def run(name: str, inputs: int, attacked: int) -> list[Evaluation]:
    """Every method by the cheap metrics, and then by Robustness-Sr."""
    chosen, folder = cases(name, inputs), HERE / "results" / name
    robustness = RobustnessSr(steps=20, restarts=4, shares="0.1,0.2,0.3")
    found = []
    for method in METHODS:
        label = method if isinstance(method, str) else method.name
        if DEAR.get((name, label)) == 0:
            continue
        settings = {label: SETTINGS[label]} if label in SETTINGS else {}
        for metrics, count in ((CHEAP, inputs), ([robustness], attacked)):
            mine = chosen[: min(count, DEAR.get((name, label), count))]
            found.append(evaluate(mine, [method], metrics, folder=folder, settings=settings))
            print(f"{name}: {label} on {len(mine)} inputs", file=sys.stderr, flush=True)
    return found


def seconds(name: str, methods: list, count: int = 3) -> dict[str, float]:
    """Mean seconds of the processor for one explanation, after one that does not count."""
    file = HERE / "results" / name / "seconds.json"
    known = json.loads(file.read_text()) if file.exists() else {}
    for method in methods:
        if method.name not in known:
            first, *others = cases(name, count + 1)
            method.explain(first.asked)
            begin = time.process_time()
            for case in others:
                method.explain(case.asked)
            known[method.name] = (time.process_time() - begin) / count
            file.write_text(json.dumps(known))
    return known


def write_values(name: str, found: list[Evaluation]) -> None:
    """This network's rows, without what belongs to them, into results.csv."""
    file, columns = HERE / "results.csv", ("network", "input", "method", "metric", "value", "lower")
    rows = []
    if file.exists():
        with file.open(newline="") as opened:
            rows = [row for row in csv.DictReader(opened) if row["network"] != name]
    for row in (row for one in found for row in one.rows):
        rounded = {key: "" if row[key] is None else f"{row[key]:.5g}" for key in ("value", "lower")}
        rows.append({**{key: row.get(key) for key in columns}, "network": name, **rounded})
    with file.open("w", newline="") as opened:
        writer = csv.DictWriter(opened, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def table(found: list[Evaluation], spent: dict[str, float]) -> str:
    """Mean ± standard error; Robustness-Sr as found by the attack, and as bounds show."""
    lines = [
        "| method | inputs | Deletion ↓ | Insertion ↑ | MuFidelity ↑ | inputs | Robustness-Sr ↓ "
        "(attack) | from bounds, at least | seconds |",
        "|---" * 9 + "|",
    ]

    def cell(one: dict) -> str:
        failed = f" ({one['failed']} failed)" if one["failed"] else ""
        return f"{one['mean']:.3f} ± {one['standard_error']:.3f}{failed}"

    for cheap, robust in zip(found[::2], found[1::2], strict=True):
        (name,), first, (last,) = (one.name for one in cheap.methods), cheap.table(), robust.table()
        cells = [str(first[0]["count"]), *map(cell, first), str(last["count"]), cell(last)]
        bound, cost = last["lower_mean"], spent[name]
        lines.append(f"| {name} | {' | '.join(cells)} | {bound:.3f} | {cost:.2g} |")
    return "\n".join(lines)


def main() -> None:
    """Compute what is missing, then print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--inputs", type=int, default=100)
    parser.add_argument("--attacked", type=int, default=20, help="inputs for Robustness-Sr")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    for name in chosen.networks.split(","):
        found = run(name, chosen.inputs, chosen.attacked)
        write_values(name, found)
        print(f"\n{name}\n\n{table(found, seconds(name, [one.methods[0] for one in found[::2]]))}")


if __name__ == "__main__":
    main()
